import { describeError } from "../errors.ts";
import { endedWords, fateWords } from "../run/container-words.ts";
import type { RunEvent } from "../run/events.ts";
import type { ShownStep } from "../task/shown-step.ts";
import { hostRanges } from "./host-names.ts";
import { matrixInShort, matrixLines } from "./matrix.ts";
import type { ReporterOptions } from "./options.ts";
import { count, duration, oneLine, type Paint, tame } from "./paint.ts";
import { watchedLines } from "./watched.ts";
import { commandLines, indented, stepParts } from "./words.ts";

/** How often a wait is told again, in milliseconds. */
export const waitingEvery = 5000;

type Of<T extends RunEvent["type"]> = Extract<RunEvent, { type: T }>;

/** Something that happened on one host, in parts, so that what is equal on many hosts can become one line. */
export interface Fact {
  host: string;
  style: "yellow" | "red" | "none";
  /** `changed`, `would change`, `restart docker`; nothing for words about a host. */
  did: string;
  /** To what: the task and the resource; or the words. Empty where `did` says it all. */
  about: string;
  /** What may differ from host to host: from and to, or the reasons. */
  rest: string;
  ms?: number;
  /** The step whose diff belongs below it. */
  step?: ShownStep;
}

/** What each event is to a person: lines as they are, and facts about a host. */
export class Story {
  readonly #options: Pick<ReporterOptions, "verbose">;
  readonly #paint: Paint;
  /** When a wait was last told. */
  readonly #waiting = new Map<string, number>();
  /** Which task each step belongs to: the event of a step leaves out the key. */
  readonly #taskOf = new WeakMap<ShownStep, string>();
  /** Tasks whose changes were told, step by step. */
  readonly #told = new Set<string>();
  /** The host on which a script was shown. */
  readonly #scripts = new Map<string, string>();
  #wide = 0;

  constructor(options: Pick<ReporterOptions, "verbose">, paint: Paint) {
    this.#options = options;
    this.#paint = paint;
  }

  of(event: RunEvent): (string | Fact)[] {
    switch (event.type) {
      case "run":
        return this.#run(event);
      case "message":
        return this.#message(event);
      case "play":
        return ["", this.#paint("bold", `PLAY ${event.title}`)];
      case "batch":
        return this.#batch(event);
      case "task":
        return this.#task(event);
      case "step":
        return event.state === "done" ? this.#stepDone(event) : [];
      case "consequence":
        return this.#consequence(event);
      case "containers":
        return [this.#containers(event)];
      case "failed":
      case "unreachable":
        return [this.#paint("red", this.on(event.host, event.type)), ...indented(describeError(event.error))];
      case "probe":
        return this.#probe(event);
      case "watch":
        return event.doing === undefined ? [] : [`watching (${event.name}): ${oneLine(event.doing)}`];
      case "watched":
        return watchedLines(event, this.#paint);
      case "recap":
      // A picture needs a page, and a refusal is the last word of whoever shows the run.
      case "topology":
      case "refused":
        return [];
      default:
        return this.#options.verbose ? this.#verbose(event) : [];
    }
  }

  /** Words with their host in front, one below the other, so that grep finds them. */
  on(host: string, ...words: string[]): string {
    return [host.padEnd(this.#wide), ...words].join("  ");
  }

  #run({ id, playbook, summary, check, hosts }: Of<"run">): string[] {
    this.#wide = hosts.reduce((wide, host) => Math.max(wide, host.length), 0);
    const only = check ? ", check only: nothing is changed" : "";
    return [
      `${this.#paint("bold", playbook)}: ${summary}`,
      `run ${id} on ${count(hosts.length, "host")}${only}`,
    ];
  }

  #batch({ index, count: batches, hosts, state }: Of<"batch">): string[] {
    const words = `batch ${index + 1} of ${batches}: ${hostRanges(hosts)}`;
    return state === "planned"
      ? [this.#paint("yellow", `would be ${words}`)]
      : ["", this.#paint("bold", words)];
  }

  #message({ level, text, host }: Of<"message">): (string | Fact)[] {
    const said = level === "warning" ? `warning: ${oneLine(text)}` : oneLine(text);
    if (host === undefined) return [level === "warning" ? this.#paint("yellow", said) : said];
    return [{ host, style: level === "warning" ? "yellow" : "none", did: "", about: said, rest: "" }];
  }

  #task(event: Of<"task">): Fact[] {
    const { host, state } = event;
    const name = nameOf(event);
    for (const step of event.steps ?? []) this.#taskOf.set(step, name);
    switch (state) {
      case "ok":
        return this.#options.verbose ? [{ host, style: "none", did: "ok     ", about: name, rest: "" }] : [];
      case "changed":
        // Its steps have said it already, unless all it took was a restart.
        if (this.#told.delete(`${host} ${name}`)) return [];
        return [{ host, style: "yellow", did: "changed", about: name, rest: "" }];
      case "planned":
        return this.#planned(event, name);
      case "waiting":
        return this.#wait(event, name);
      default:
        return [];
    }
  }

  #planned({ host, steps = [], later }: Of<"task">, name: string): Fact[] {
    const would = (about: string, rest = ""): Fact => ({
      host,
      style: "yellow",
      did: "would change",
      about,
      rest,
    });
    return [
      ...steps.map((step) => {
        const { what, change } = stepParts(step, this.#paint);
        return { ...would(`${name}  ${what}`, change), step };
      }),
      ...(later === undefined ? [] : [would(name, `  later: ${oneLine(later)}`)]),
      ...(steps.length === 0 && later === undefined ? [would(name)] : []),
    ];
  }

  #wait({ host, at, reason }: Of<"task">, name: string): Fact[] {
    const key = `${host} ${name}`;
    const last = this.#waiting.get(key);
    if (last !== undefined && at - last < waitingEvery) return [];
    this.#waiting.set(key, at);
    return [{ host, style: "none", did: "waiting", about: name, rest: `  ${oneLine(reason ?? "")}` }];
  }

  #stepDone({ host, task, step, ms = 0 }: Of<"step">): Fact[] {
    const name = this.#taskOf.get(step) ?? task;
    this.#told.add(`${host} ${name}`);
    const { what, change } = stepParts(step, this.#paint);
    return [{ host, style: "yellow", did: "changed", about: `${name}  ${what}`, rest: change, ms, step }];
  }

  #consequence({ host, what, why, state, ms }: Of<"consequence">): Fact[] {
    if (state === "started") return [];
    if (state === "spared") {
      const [verb = "", unit = ""] = what.split(" ");
      const about = `${unit} needs no ${verb}: after the undo it is gone, or does not run`;
      return [{ host, style: "none", did: "", about, rest: "" }];
    }
    return [
      {
        host,
        style: state === "failed" ? "red" : "yellow",
        did: { planned: `would ${what}`, done: what, failed: `${what} failed` }[state],
        about: "",
        rest: why.length > 0 ? `, because of ${why.map(oneLine).join(", ")}` : "",
        ...(ms === undefined ? {} : { ms }),
      },
    ];
  }

  #containers({ host, state, containers }: Of<"containers">): Fact {
    if (state === "planned")
      return { host, style: "yellow", did: "would end", about: fateWords(containers), rest: "" };
    const lost = containers.some(({ returns }) => returns !== "yes");
    const style = lost ? "red" : "yellow";
    return { host, style, did: "ended", about: endedWords(containers), rest: "" };
  }

  #probe(event: Of<"probe">): string[] {
    // Without words of what it is doing it has only just begun.
    if (event.state === "started")
      return event.doing === undefined
        ? [
            "",
            this.#paint(
              "bold",
              `${event.stage === undefined ? "VERIFY" : `VERIFY (${event.stage})`} ${event.name}`,
            ),
          ]
        : [`  ${oneLine(event.doing)}`];
    if (event.error)
      return [this.#paint("red", `${event.name} failed`), ...indented(describeError(event.error))];
    if (!event.matrix) return [`${event.name} ${event.state}`];
    // Between batches it is told in full where something is wrong.
    const isInShort = event.stage !== undefined && event.state === "passed" && !this.#options.verbose;
    return isInShort ? [matrixInShort(event.matrix, this.#paint)] : matrixLines(event.matrix, this.#paint);
  }

  #verbose(
    event: Of<"connecting" | "connected" | "disconnected" | "switch" | "output" | "command">,
  ): string[] {
    switch (event.type) {
      case "connecting":
        return [];
      case "connected":
        return [this.on(event.host, `connected in ${duration(event.ms)}`)];
      case "switch": {
        if (event.state === "waiting") return [];
        const armed = `takes the run back by itself unless it is confirmed within ${event.seconds} s`;
        return [this.on(event.host, event.state === "armed" ? armed : "confirmed over a new connection")];
      }
      case "disconnected": {
        const { host, roundTrips, commands } = event;
        return [this.on(host, `${count(roundTrips, "round trip")}, ${count(commands, "command")}`)];
      }
      case "output": {
        const more = event.cut ? ["… it goes on, and no more of that is shown here"] : [];
        const said = event.lines.map((line) => `| ${tame(line)}`.trimEnd());
        return [...said, ...more].map((line) => this.#paint("dim", this.on(event.host, line)));
      }
      case "command":
        return this.#command(event).map((line) => this.#paint("dim", line));
    }
  }

  /** A script of several lines is shown once: every host of a fleet is asked the same. */
  #command({ host, command, code, ms }: Of<"command">): string[] {
    const [first = "", ...rest] = commandLines(command, code, ms);
    if (rest.length === 0) return [this.on(host, first)];
    const before = this.#scripts.get(command);
    if (before !== undefined) return [this.on(host, `${first}: the script that ran on ${before} above`)];
    this.#scripts.set(command, host);
    return [this.on(host, first), ...rest];
  }
}

function nameOf({ task, key }: Of<"task">): string {
  return key === "" ? task : `${task} ${key}`;
}
