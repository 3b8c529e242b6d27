import { fetchedMember } from "../archives/fetched.ts";
import { CausewayError } from "../errors.ts";
import { journalFolder } from "../journal/entries.ts";
import { type Consequence, consequenceWords, type Step } from "../task/step.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { type Action, type Identity, performScript, type Removal } from "./perform-script.ts";
import { inOrder } from "./plan.ts";

/** While it is there, the performing script stops before its next step. */
const stopFile = `${journalFolder}/stop`;

/** What taking one entry back adds to the time that its script may take; a Docker may be restarted by it, or a package purged. */
export const removalTimeoutMs = 15_000;

export type Intended = { identity: Identity } & ({ step: Step } | Removal);

/** Performs steps on one host in one script, then whatever reload and restart is asked for with them. */
export async function perform(
  host: HostRun,
  run: RunContext,
  intended: readonly Intended[],
  consequences: readonly Consequence[],
  gently = false,
): Promise<void> {
  const actions: Action[] = intended.map((action) => ({
    ...action,
    n: String(++host.entries).padStart(4, "0"),
  }));
  for (const action of actions) oweFor(host, action);
  const due = inOrder(consequences).map((consequence) => ({
    consequence,
    causedBy: host.owed.get(consequenceWords(consequence))?.causedBy ?? [],
  }));
  if (actions.length === 0 && due.length === 0) return;
  const script = performScript({
    run: run.id,
    head: host.journal.head,
    who: run.who,
    runRecord: run.record,
    actions,
    consequences: due,
    gently,
  });
  for (const action of actions)
    if ("step" in action && action.step.push) await push(host, run, action.identity, action.step.push);
  const progress = new Progress(host, actions);
  const timeoutMs = actions.reduce(
    (sum, a) => sum + ("step" in a ? (a.step.timeoutMs ?? 0) : removalTimeoutMs),
    run.performTimeoutMs,
  );
  const stop = () => void host.session.push("/dev/null", stopFile).catch(() => {});
  run.interrupted.addEventListener("abort", stop, { once: true });
  const result = await host.session
    .run(script.text, { timeoutMs, onLine: (line) => progress.take(line), shown: shownScript(actions, due) })
    .finally(() => run.interrupted.removeEventListener("abort", stop));
  const last = actions.at(-1);
  if (last) host.journal = { ...host.journal, head: `${run.id} ${last.n}` };
  host.memory.forget(due.length > 0 ? ["*"] : [...actions.flatMap(touchedBy), "journal"]);
  if (actions.length > 0) run.changedSomething = true;
  if (result.code !== 0) throw progress.error(result.code, result.stderr, run.who);
  for (const { consequence } of due) host.owed.delete(consequenceWords(consequence));
}

/** Sends a file ahead of its step; one out of an archive is fetched and unpacked here first. */
async function push(
  host: HostRun,
  run: RunContext,
  { task }: Identity,
  { from, to }: NonNullable<Step["push"]>,
): Promise<void> {
  try {
    const file = typeof from === "string" ? from : await fetchedMember(from, run.interrupted);
    await host.session.push(file, to);
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    throw new CausewayError(error.code, error.message, { ...error.detail, host: host.name, task });
  }
}

/** What `-v` shows of a performing script: the steps and restarts as one could paste them, secrets masked. */
function shownScript(actions: readonly Action[], due: readonly { consequence: Consequence }[]): string {
  const steps = actions.map((action) => {
    if ("remove" in action) return `cw_remove ${action.remove.run}/${action.remove.n}`;
    const { text, secrets } = action.step.perform;
    return masked(text, secrets);
  });
  return [...steps, ...due.map(({ consequence }) => `systemctl ${consequenceWords(consequence)}`)].join("\n");
}

/** The text without secrets: neither whole, nor line by line, as output comes. */
function masked(text: string, secrets: readonly string[]): string {
  const lines = secrets.flatMap((secret) => secret.split("\n")).filter((line) => line.length > 3);
  const parts = [...secrets, ...lines].filter(Boolean).sort((a, b) => b.length - a.length);
  return parts.reduce((all, part) => all.replaceAll(part, "********"), text);
}

/** What an action makes necessary is owed from the moment it is performed until it was done. */
function oweFor(host: HostRun, action: Action): void {
  const { causes, what } = "step" in action ? action.step : action.remove;
  for (const consequence of causes) owe(host, consequence, what, action.n);
}

/** Notes a reload or restart that has to come at the end of the play. */
export function owe(host: HostRun, consequence: Consequence, why: string, entry?: string): void {
  const words = consequenceWords(consequence);
  const owed = host.owed.get(words) ?? { consequence, causedBy: [], why: new Set<string>() };
  if (entry) owed.causedBy.push(entry);
  owed.why.add(why);
  host.owed.set(words, owed);
}

function touchedBy(action: Action): readonly string[] {
  return "step" in action ? action.step.touches : ["*"];
}

/** Follows the lines that the performing script prints, and knows what went wrong when it stops. */
class Progress {
  readonly #host: HostRun;
  readonly #actions: ReadonlyMap<string, Action>;
  readonly #secrets: readonly string[];
  readonly #output: string[] = [];
  readonly #undone: string[] = [];
  readonly #stuck: string[] = [];
  readonly #done = new Set<string>();
  #failed: readonly string[] = [];
  #unitNow = "";
  #since = Date.now();

  constructor(host: HostRun, actions: readonly Action[]) {
    this.#host = host;
    this.#secrets = actions.flatMap((a) => ("step" in a ? a.step.perform.secrets : []));
    this.#actions = new Map(actions.map((a) => [a.n, a]));
  }

  take(line: string): void {
    if (!line.startsWith("@cw ")) return;
    const [word = "", ...rest] = line.slice(4).split(" ");
    const action = this.#actions.get(rest[0] ?? "");
    switch (word) {
      case "start":
      case "done":
        if (action) this.#step(action, word === "start" ? "started" : "done");
        if (word === "done") this.#done.add(rest[0] ?? "");
        break;
      case "begin":
      case "end":
        this.#consequence(rest.join(" "), word === "begin" ? "started" : "done");
        break;
      case "|":
        this.#output.push(this.#masked(rest.join(" ")));
        break;
      case "undone":
        this.#undone.push(action ? shown(action).what : "");
        break;
      case "stuck":
        this.#stuck.push(action ? shown(action).what : "");
        break;
      case "unit":
        this.#unitNow = rest.join(" is ");
        break;
      default:
        this.#failed = [word, ...rest];
        if (word === "failed" && action) this.#step(action, "failed");
        if (word === "broken") this.#consequence(rest.join(" "), "failed");
    }
  }

  /** What a command said may hold what it was given. */
  #masked(text: string): string {
    return masked(text, this.#secrets);
  }

  #step(action: Action, state: "started" | "done" | "failed"): void {
    const ms = Date.now() - this.#since;
    if (state === "started") this.#since = Date.now();
    if (state === "done") this.#host.recap.steps += 1;
    const step = shown(action);
    this.#host.say({
      type: "step",
      host: this.#host.name,
      task: action.identity.task,
      step,
      state,
      ...(state === "started" ? {} : { ms }),
    });
  }

  #consequence(what: string, state: "started" | "done" | "failed"): void {
    const ms = Date.now() - this.#since;
    if (state === "started") this.#since = Date.now();
    if (state === "done" && /^restart/.test(what)) this.#host.recap.restarts += 1;
    const why = [...(this.#host.owed.get(what)?.why ?? [])];
    this.#host.say({
      type: "consequence",
      host: this.#host.name,
      what,
      why,
      state,
      ...(state === "started" ? {} : { ms }),
    });
  }

  /** The error of a script that did not end well. */
  error(code: number, stderr: string, who: string): CausewayError {
    const [word = "", ...rest] = this.#failed;
    const output = this.#output.join("\n") || this.#masked(stderr);
    const action = this.#actions.get(rest[0] ?? "");
    const common = { host: this.#host.name, output };
    switch (word) {
      case "locked":
        return new CausewayError("host", "another run is working on this host", {
          ...common,
          found: `the lock is held by ${rest.join(" ")}`,
          expected: `a free lock for ${who}`,
          advice: "wait until it has ended; if it is known to be dead, run again with --break-lock",
        });
      case "moved":
        return new CausewayError("host", "another run changed this host between the plan and now", {
          ...common,
          found: `journal at ${rest.join(" ")}`,
          advice: "run again, so that it is planned against what is there now; nothing was changed",
        });
      case "stopped":
        return new CausewayError(
          "interrupted",
          `stopped before ${action ? shown(action).what : "the next step"}`,
          {
            ...common,
            found: `${this.#done.size} of ${this.#actions.size} steps done`,
            advice: "run again to finish, or roll back",
          },
        );
      case "nojournal":
        return new CausewayError("host", "the journal cannot be written, so nothing was changed", {
          ...common,
          found: rest.join(" "),
        });
      case "failed":
        return new CausewayError(
          "host",
          `${action ? shown(action).what : "a step"} failed with code ${rest[2] ?? code}`,
          {
            ...common,
            ...(action ? { task: action.identity.task, ...commandOf(action) } : {}),
          },
        );
      case "broken":
        return this.#brokenRestart(rest.join(" "), common);
      default:
        return new CausewayError("host", `the performing script ended with code ${code}`, common);
    }
  }

  #brokenRestart(what: string, common: { host: string; output: string }): CausewayError {
    const back = [
      this.#undone.length > 0 ? `undone: ${this.#undone.join(", ")}` : "",
      this.#stuck.length > 0 ? `not undone: ${this.#stuck.join(", ")}` : "",
      this.#unitNow,
    ].filter(Boolean);
    return new CausewayError("host", `${what} failed; the steps that asked for it were taken back`, {
      ...common,
      found: back.join("; "),
      command: `systemctl ${what}`,
      advice: "what the daemon said is below; correct the variables and run again",
    });
  }
}

function shown(action: Action) {
  return "step" in action
    ? action.step
    : {
        ...action.remove,
        from: action.remove.to,
        to: action.remove.from,
        ...(action.diff ? { diff: action.diff } : {}),
      };
}

function commandOf(action: Action): { command?: string } {
  if ("remove" in action || action.step.perform.secrets.length > 0) return {};
  const text = action.step.perform.text;
  return { command: text.length > 400 ? `${text.slice(0, 400)}…` : text };
}
