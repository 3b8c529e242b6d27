import { randomBytes } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import { CausewayError } from "../errors.ts";
import { FrameCutter } from "./frame.ts";
import type { CommandOptions, CommandResult } from "./session.ts";
import { masked, quoteAlways } from "./sh.ts";

/** The streams of one running `sh`, whatever carries them. */
export interface Transport {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Runs a script of its own beside the shell, with the same rights; used to end a command that hangs. */
  beside(script: string): Promise<void>;
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
  code: number;
  timer?: NodeJS.Timeout;
  limitMs: number;
  /** Set when its time is over; resolves when what it started was ended on the host. */
  ending?: Promise<unknown>;
  /** Bytes of standard output that went to `onLine` as complete lines, and the line that is not complete yet. */
  streamed: number;
  partial: Buffer;
}

const unstreamed = () => ({ limitMs: 0, streamed: 0, partial: Buffer.alloc(0) });

/** One long-lived `sh`: what is asked for in the same tick goes out as one write; answers come back in order. */
export class Shell {
  readonly stats = { roundTrips: 0, commands: 0 };
  readonly #name: string;
  readonly #transport: Transport;
  readonly #commandTimeoutMs: number;
  readonly #random = randomBytes(9).toString("hex");
  readonly #stdout: FrameCutter;
  readonly #stderr: FrameCutter;
  #sequence = 0;
  #waiting: Job[] = [];
  #running: Job[] = [];
  #scheduled = false;
  #pid = 0;
  #dead: CausewayError | undefined;

  constructor(name: string, transport: Transport, commandTimeoutMs: number) {
    this.#name = name;
    this.#transport = transport;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#stdout = new FrameCutter(
      (output, code) => this.#arrived("stdout", output, code),
      (chunk) => this.#stream(chunk),
    );
    this.#stderr = new FrameCutter((output, code) => this.#arrived("stderr", output, code));
    transport.stdout.on("data", (chunk: Buffer) => this.#stdout.push(chunk));
    transport.stderr.on("data", (chunk: Buffer) => this.#stderr.push(chunk));
    transport.stdin.on("error", () => {});
    void transport.ended.then((reason) => this.#end(reason));
  }

  /**
   * The shell's own process id; it is asked for together with the first commands. Programs in /usr/local are found, also
   * where sudo's secure_path leaves them out.
   */
  #hello(): string {
    this.#waiting.unshift({
      script: "echo $$",
      options: {},
      nonce: this.#nonce(),
      code: 0,
      ...unstreamed(),
      resolve: ({ stdout }) => {
        this.#pid = Number(stdout.trim());
      },
      reject: () => {},
    });
    return "cd /; trap : TERM; PATH=$PATH:/usr/local/sbin:/usr/local/bin\n";
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
        ...unstreamed(),
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
    if (job.ending) return;
    clearTimeout(job.timer);
    job.limitMs = ms;
    job.timer = setTimeout(() => void this.#timeOut(job), ms);
  }

  #stream(chunk: Buffer): void {
    const job = this.#running[0];
    if (!job?.options.onLine) return;
    const bytes = Buffer.concat([job.partial, chunk]);
    // What is behind the last newline may be the beginning of a marker; it waits.
    const end = bytes.lastIndexOf(10) + 1;
    job.partial = bytes.subarray(end);
    job.streamed += end;
    this.#lines(job, bytes.subarray(0, end));
  }

  #lines(job: Job, bytes: Buffer): void {
    if (bytes.length === 0) return;
    for (const line of bytes.toString("utf8").replace(/\n$/, "").split("\n")) {
      const more = job.options.onLine?.(line);
      if (typeof more === "number") this.#allow(job, more);
    }
  }

  #arrived(stream: "stdout" | "stderr", output: Buffer, code: number): void {
    const job = this.#running[0];
    if (!job) return;
    job[stream] = output;
    job.code = code;
    if (!job.stdout || !job.stderr) return;
    clearTimeout(job.timer);
    this.#running.shift();
    this.#next();
    const stdout = job.stdout.toString("utf8");
    // What came in the same chunk as the marker, or had no newline at its end, has not been streamed yet.
    if (job.options.onLine) this.#lines(job, job.stdout.subarray(job.streamed));
    // Its subshell can end before what it started does.
    if (job.ending) void job.ending.then(() => job.reject(this.#tooLong(job)));
    else job.resolve({ stdout, stderr: job.stderr.toString("utf8"), code });
  }

  /** Ends what runs on the host now: somebody asked to stop at once. */
  async abandon(): Promise<void> {
    if (this.#pid > 0 && this.#running.length > 0)
      await this.#transport.beside(endChildrenOf(this.#pid)).catch(() => {});
  }

  async #timeOut(job: Job): Promise<void> {
    // A shell that never said its process id has no children that are known: what is below 0 is the whole host.
    const ending =
      this.#pid > 0 ? this.#transport.beside(endChildrenOf(this.#pid)).catch(() => {}) : undefined;
    job.ending = Promise.race([ending, this.#transport.ended]);
    await job.ending;
    if (this.#running[0] !== job) return;
    job.timer = setTimeout(() => {
      job.reject(this.#tooLong(job));
      this.#transport.close();
      this.#end("the shell did not answer after its command was ended");
    }, 5000);
  }

  #tooLong(job: Job): CausewayError {
    const seconds = job.limitMs / 1000;
    const command = masked(job.options.shown ?? job.script, job.options.secrets);
    return new CausewayError("host", `a command did not end within ${seconds} s; it was ended on the host`, {
      host: this.#name,
      command: command.length > 600 ? `${command.slice(0, 600)}…` : command,
      advice: "try it by hand on that host; --command-timeout gives it longer",
    });
  }

  #end(reason: string): void {
    if (this.#dead) return;
    this.#dead = new CausewayError("unreachable", `the connection was lost: ${reason}`, { host: this.#name });
    for (const job of [...this.#running, ...this.#waiting].splice(0)) {
      clearTimeout(job.timer);
      job.reject(this.#dead);
    }
    this.#running = [];
    this.#waiting = [];
  }
}

/** Ends every process below a shell, and leaves the shell itself: first asked, a second later made to. */
function endChildrenOf(pid: number): string {
  return `below() {
  all= level=${pid}
  while [ -n "$level" ]; do
    next=
    for stat in /proc/[0-9]*/stat; do
      read -r line 2>/dev/null <"$stat" || continue
      child=\${line%% *}
      set -- \${line##*) }
      case " $level " in *" $2 "*) next="$next $child" ;; esac
    done
    all="$all$next" level=$next
  done
  printf %s "$all"
}
all=$(below)
[ -z "$all" ] || kill -TERM $all 2>/dev/null
sleep 1
for child in $all; do kill -KILL $child 2>/dev/null; done
true`;
}
