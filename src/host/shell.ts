import { randomBytes } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import { CausewayError } from "../errors.ts";
import { endChildrenOf } from "./end-children.ts";
import { FrameCutter } from "./frame.ts";
import { noShell } from "./no-shell.ts";
import type { CommandOptions, CommandResult } from "./session.ts";
import { masked, quoteAlways } from "./sh.ts";

/** The streams of one running `sh`, whatever carries them. */
export interface Transport {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Runs a script of its own beside the shell, with the same rights, and gives its exit code; used to kill a command that hangs. */
  beside(script: string): Promise<number>;
  /** Resolves with the reason when the shell or its connection ends. */
  ended: Promise<string>;
  close(): void;
}

interface Job {
  script: string;
  options: CommandOptions;
  nonce: string;
  resolve: (result: CommandResult) => void;
  reject: (error: unknown) => void;
  stdout?: Buffer;
  stderr?: Buffer;
  left: { stdout: number; stderr: number };
  code: number;
  timer?: NodeJS.Timeout;
  limitMs: number;
  /** Set when it has to end; resolves with the error that it ends with, once what it started was ended on the host or could not be. */
  ending?: Promise<CausewayError>;
  /** Bytes of standard output that went to `onLine` as complete lines, and the parts of the line that is not complete yet. */
  streamed: number;
  partial: Buffer[];
}

export interface ShellOptions {
  commandTimeoutMs: number;
  answerLimit?: number | undefined;
  cutAnswers?: boolean | undefined;
  /** Who is logged in, for the error of a login that starts something else. */
  user?: string | undefined;
}

const mebibyte = 1024 * 1024;

/** Programs that are elsewhere are found behind those of the system. Root's home is root's own, which some sudo leaves as it was. */
const surroundings = [
  "umask 022",
  "unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_API_VERSION DOCKER_TLS_VERIFY",
  "[ ! -O / ] || HOME=~root",
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH",
  "export HOME PATH",
].join("; ");

const untouched = () => ({
  left: { stdout: 0, stderr: 0 },
  limitMs: 0,
  streamed: 0,
  partial: [] as Buffer[],
});

/** One long-lived `sh`: what is asked for in the same tick goes out as one write; answers come back in order. */
export class Shell {
  readonly stats = { roundTrips: 0, commands: 0 };
  readonly #name: string;
  readonly #user: string | undefined;
  readonly #transport: Transport;
  readonly #commandTimeoutMs: number;
  readonly #answerLimit: number;
  readonly #random = randomBytes(9).toString("hex");
  readonly #stdout: FrameCutter;
  readonly #stderr: FrameCutter;
  #sequence = 0;
  #waiting: Job[] = [];
  #running: Job[] = [];
  #scheduled = false;
  #pid = 0;
  #dead: CausewayError | undefined;

  constructor(name: string, transport: Transport, options: ShellOptions) {
    this.#name = name;
    this.#user = options.user;
    this.#transport = transport;
    this.#commandTimeoutMs = options.commandTimeoutMs;
    this.#answerLimit = options.answerLimit ?? 64 * mebibyte;
    const cut = options.cutAnswers === true;
    const bounded = { limit: this.#answerLimit, cut, onExcess: () => this.#tooMuch() };
    this.#stdout = new FrameCutter({
      ...bounded,
      onFrame: (...frame) => this.#arrived("stdout", ...frame),
      onData: (chunk) => this.#stream(chunk),
    });
    this.#stderr = new FrameCutter({
      ...bounded,
      onFrame: (...frame) => this.#arrived("stderr", ...frame),
    });
    transport.stdout.on("data", (chunk: Buffer) => this.#stdout.push(chunk));
    transport.stderr.on("data", (chunk: Buffer) => this.#stderr.push(chunk));
    transport.stdin.on("error", () => {});
    // What it said last may still be on its way.
    void transport.ended.then((reason) => read(transport.stdout).then(() => this.#end(reason)));
  }

  /**
   * The shell's own process id; it is asked for together with the first commands, and found also behind what a .bashrc has
   * said. What the host's environment says decides nothing: which programs are run, where they look for their settings, which
   * Docker is asked, and who may write to what is made.
   */
  #hello(): string {
    this.#waiting.unshift({
      script: `echo "${this.#random}=$$"`,
      options: {},
      nonce: this.#nonce(),
      code: 0,
      ...untouched(),
      resolve: ({ stdout }) => {
        this.#pid = Number(stdout.split(`${this.#random}=`)[1]);
      },
      reject: () => {},
    });
    return `cd /; trap : TERM; ${surroundings}\n`;
  }

  #nonce(): string {
    this.#sequence += 1;
    return `${this.#random}.${this.#sequence}`;
  }

  run(script: string, options: CommandOptions = {}): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      if (this.#dead) {
        reject(this.#dead);
        return;
      }
      this.stats.commands += 1;
      this.#waiting.push({
        script,
        options,
        nonce: this.#nonce(),
        code: 0,
        ...untouched(),
        resolve,
        reject,
      });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#send());
    });
  }

  #send(): void {
    this.#scheduled = false;
    if (this.#waiting.length === 0) return;
    const first = this.#pid === 0 && this.stats.roundTrips === 0 ? this.#hello() : "";
    const jobs = this.#waiting.splice(0);
    this.stats.roundTrips += 1;
    const idle = this.#running.length === 0;
    this.#running.push(...jobs);
    if (idle) this.#next();
    const text = jobs.map(
      ({ script, nonce }) =>
        `(eval ${quoteAlways(script)}) </dev/null\n__c=$?; printf '\\n%s %s\\n' ${nonce} $__c; printf '\\n%s %s\\n' ${nonce} $__c >&2\n`,
    );
    this.#transport.stdin.write(first + text.join(""));
  }

  /** The command in front is the one that runs now; its time begins here. */
  #next(): void {
    const [job] = this.#running;
    if (!job) return;
    // Before the streams are asked: its answer may be there already, and ends the time.
    this.#allow(job, job.options.timeoutMs ?? this.#commandTimeoutMs);
    this.#stdout.expect(job.nonce);
    this.#stderr.expect(job.nonce);
  }

  /** From now on the command has so long. */
  #allow(job: Job, ms: number): void {
    // What is behind its last line is told when it has ended already.
    if (job.ending || this.#running[0] !== job) return;
    clearTimeout(job.timer);
    job.limitMs = ms;
    job.timer = setTimeout(() => this.#timeOut(job), ms);
  }

  #stream(chunk: Buffer): void {
    const job = this.#running[0];
    if (!job?.options.onLine) return;
    // What is behind the last newline may be the beginning of a marker; it waits.
    const end = chunk.lastIndexOf(10) + 1;
    if (end > 0) {
      const bytes = Buffer.concat([...job.partial, chunk.subarray(0, end)]);
      job.partial = [];
      job.streamed += bytes.length;
      this.#lines(job, bytes);
    }
    if (end < chunk.length) job.partial.push(chunk.subarray(end));
  }

  #lines(job: Job, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const encoding = job.options.bytes ? "latin1" : "utf8";
    for (const line of bytes.toString(encoding).replace(/\n$/, "").split("\n")) {
      job.options.onLine?.(line, (ms) => this.#allow(job, ms));
    }
  }

  #arrived(stream: "stdout" | "stderr", output: Buffer, code: number, left: number): void {
    const job = this.#running[0];
    if (!job) return;
    job[stream] = output;
    job.left[stream] = left;
    job.code = code;
    if (!job.stdout || !job.stderr) return;
    clearTimeout(job.timer);
    this.#running.shift();
    this.#next();
    const encoding = job.options.bytes ? "latin1" : "utf8";
    const stdout = job.stdout.toString(encoding);
    const stderr = job.stderr.toString(encoding);
    const cutOff = job.left.stdout + job.left.stderr > 0 ? { left: job.left } : {};
    // What came in the same chunk as the marker, or had no newline at its end, has not been streamed yet.
    if (job.options.onLine) this.#lines(job, job.stdout.subarray(job.streamed));
    // Its subshell can end before what it started does.
    if (job.ending) void job.ending.then((error) => job.reject(error));
    else job.resolve({ stdout, stderr, code, ...cutOff });
  }

  /** Ends what runs on the host now: somebody asked to stop at once. */
  async abandon(): Promise<void> {
    if (this.#running.length > 0) await this.#endChildren();
  }

  #timeOut(job: Job): void {
    // It is not our shell that runs there, which would have answered before anything else.
    if (this.#pid === 0) {
      this.#hangUp(`no shell answered within ${job.limitMs / 1000} s`);
      return;
    }
    // What tells of its steps asks for their limits, never below the option's; any other limit is the command's own.
    const isOwn = job.options.timeoutMs !== undefined && !job.options.onLine;
    const longer = isOwn
      ? "this limit is the command's own, whatever --command-timeout says"
      : `a --command-timeout of more than ${job.limitMs / 1000} gives it longer`;
    const advice = `try it by hand on that host; ${longer}`;
    void this.#cutShort(job, `a command did not end within ${job.limitMs / 1000} s`, advice);
  }

  #tooMuch(): void {
    const [job] = this.#running;
    const size = `more than ${Math.round(this.#answerLimit / mebibyte)} MiB`;
    if (job)
      void this.#cutShort(
        job,
        `a command printed ${size}`,
        "make it print less, or write its output to a file",
      );
    else this.#hangUp(`the host sent ${size} that was not requested`);
  }

  /** Kills a command, and says only what is known about it. */
  async #cutShort(job: Job, why: string, advice: string): Promise<void> {
    if (job.ending) return;
    clearTimeout(job.timer);
    job.ending = this.#endChildren().then((ended) => this.#cutError(job, why, advice, ended));
    const error = await job.ending;
    if (this.#running[0] !== job) return;
    job.timer = setTimeout(() => {
      job.reject(error);
      this.#hangUp("the shell did not answer after its command was killed");
    }, 5000);
  }

  /** Whether all that ran below the shell has ended. */
  #endChildren(): Promise<boolean> {
    // A shell that never said its process id has no children that are known: what is below 0 is the whole host.
    if (!(this.#pid > 0)) return Promise.resolve(false);
    const ended = this.#transport.beside(endChildrenOf(this.#pid)).then(
      (code) => code === 0,
      () => false,
    );
    return Promise.race([ended, this.#transport.ended.then(() => false)]);
  }

  #cutError(job: Job, why: string, advice: string, ended: boolean): CausewayError {
    const outcome = ended
      ? "it was killed on the host"
      : "it could not be killed on the host and may still run there";
    const command = masked(job.options.shown ?? job.script, job.options.secrets);
    return new CausewayError("host", `${why}; ${outcome}`, {
      host: this.#name,
      command: command.length > 600 ? `${command.slice(0, 600)}…` : command,
      advice: ended ? advice : `look for it on that host with ps -ef, and kill it; ${advice}`,
    });
  }

  #hangUp(reason: string): void {
    this.#transport.close();
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.#dead) return;
    this.#dead = this.#lost(reason);
    for (const job of [...this.#running, ...this.#waiting].splice(0)) {
      clearTimeout(job.timer);
      job.reject(this.#dead);
    }
    this.#running = [];
    this.#waiting = [];
  }

  /** What runs in place of our shell says so, if at all, in place of our first answer. */
  #lost(reason: string): CausewayError {
    const said =
      this.#pid > 0 ? "" : `${this.#stderr.pending}\n${this.#stdout.pending}`.trim().slice(0, 2000);
    if (said !== "") return noShell(this.#name, this.#user, said, reason);
    return new CausewayError("unreachable", `the connection was lost: ${reason}`, { host: this.#name });
  }
}

/** Resolves when a stream has been read to its end, or soon. */
function read(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) return resolve();
    const timer = setTimeout(resolve, 200);
    const ended = () => {
      clearTimeout(timer);
      resolve();
    };
    stream.once("end", ended).once("close", ended);
  });
}
