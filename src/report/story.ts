import { describeError } from "../errors.ts";
import type { RunEvent } from "../run/events.ts";
import type { ShownStep } from "../task/shown-step.ts";
import { diffLines } from "./diff.ts";
import { matrixLines } from "./matrix.ts";
import type { ReporterOptions } from "./options.ts";
import { count, duration, oneLine, type Paint, painter } from "./paint.ts";
import { recapLines } from "./recap.ts";
import { commandLines, indented, stepWords } from "./words.ts";

/** How often a wait is told again, in milliseconds. */
const waitingEvery = 5000;

type Of<T extends RunEvent["type"]> = Extract<RunEvent, { type: T }>;

/** The lines that stay: what happened, each with its host in front, so that grep finds it. */
export class Transcript {
  readonly #options: Pick<ReporterOptions, "verbose" | "diff">;
  readonly #paint: Paint;
  /** When a wait was last told. */
  readonly #waiting = new Map<string, number>();
  /** Which task's each step is: the event of a step leaves out the key. */
  readonly #taskOf = new WeakMap<ShownStep, string>();
  /** Tasks whose changes were told, step by step. */
  readonly #told = new Set<string>();
  #wide = 0;

  constructor({ color, ...options }: Pick<ReporterOptions, "verbose" | "diff" | "color">) {
    this.#options = options;
    this.#paint = painter(color);
  }

  lines(event: RunEvent): string[] {
    switch (event.type) {
      case "run":
        return this.#run(event);
      case "message":
        return this.#message(event);
      case "play":
        return ["", this.#paint("bold", `PLAY ${event.title}`)];
      case "task":
        return this.#task(event);
      case "step":
        return event.state === "done" ? this.#stepDone(event) : [];
      case "consequence":
        return this.#consequence(event);
      case "failed":
      case "unreachable":
        return [
          this.#paint("red", this.#on(event.host, event.type)),
          ...indented(describeError(event.error)),
        ];
      case "probe":
        return this.#probe(event);
      case "recap":
        return ["", ...recapLines(event, this.#paint)];
      default:
        return this.#options.verbose ? this.#verbose(event) : [];
    }
  }

  #on(host: string, ...words: string[]): string {
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

  #message({ level, text, host }: Of<"message">): string[] {
    const said = level === "warning" ? `warning: ${oneLine(text)}` : oneLine(text);
    const line = host === undefined ? said : this.#on(host, said);
    return [level === "warning" ? this.#paint("yellow", line) : line];
  }

  #task(event: Of<"task">): string[] {
    const { host, state } = event;
    const name = nameOf(event);
    for (const step of event.steps ?? []) this.#taskOf.set(step, name);
    switch (state) {
      case "ok":
        return this.#options.verbose ? [this.#on(host, "ok     ", name)] : [];
      case "changed":
        // Its steps have said it already, unless all it took was a restart.
        if (this.#told.delete(`${host} ${name}`)) return [];
        return [this.#paint("yellow", this.#on(host, "changed", name))];
      case "planned":
        return this.#planned(event, name);
      case "waiting":
        return this.#wait(event, name);
      default:
        return [];
    }
  }

  #planned({ host, steps = [], later }: Of<"task">, name: string): string[] {
    const would = (...words: string[]) =>
      this.#paint("yellow", this.#on(host, "would change", name, ...words));
    return [
      ...steps.flatMap((step) => [would(stepWords(step, this.#paint)), ...this.#diff(step)]),
      ...(later === undefined ? [] : [would(`later: ${oneLine(later)}`)]),
      ...(steps.length === 0 && later === undefined ? [would()] : []),
    ];
  }

  #wait({ host, at, reason }: Of<"task">, name: string): string[] {
    const key = `${host} ${name}`;
    const last = this.#waiting.get(key);
    if (last !== undefined && at - last < waitingEvery) return [];
    this.#waiting.set(key, at);
    return [this.#on(host, "waiting", name, oneLine(reason ?? ""))];
  }

  #stepDone({ host, task, step, ms = 0 }: Of<"step">): string[] {
    const name = this.#taskOf.get(step) ?? task;
    this.#told.add(`${host} ${name}`);
    const took = ms >= 1000 ? `  (${duration(ms)})` : "";
    const line = this.#on(host, "changed", name, stepWords(step, this.#paint));
    return [this.#paint("yellow", `${line}${took}`), ...this.#diff(step)];
  }

  #diff(step: ShownStep): string[] {
    return this.#options.diff ? diffLines(step, this.#paint) : [];
  }

  #consequence({ host, what, why, state, ms }: Of<"consequence">): string[] {
    const because = why.length > 0 ? `, because of ${why.map(oneLine).join(", ")}` : "";
    const took = ms === undefined ? "" : ` (${duration(ms)})`;
    switch (state) {
      case "planned":
        return [this.#paint("yellow", this.#on(host, `would ${what}${because}`))];
      case "done":
        return [this.#paint("yellow", this.#on(host, `${what}${took}${because}`))];
      case "failed":
        return [this.#paint("red", this.#on(host, `${what} failed${took}${because}`))];
      case "started":
        return [];
    }
  }

  #probe(event: Of<"probe">): string[] {
    // Without words of what it is doing it has only just begun.
    if (event.state === "started")
      return event.doing === undefined ? ["", this.#paint("bold", `VERIFY ${event.name}`)] : [];
    if (event.error)
      return [this.#paint("red", `${event.name} failed`), ...indented(describeError(event.error))];
    return event.matrix ? matrixLines(event.matrix, this.#paint) : [`${event.name} ${event.state}`];
  }

  #verbose(event: Of<"connecting" | "connected" | "disconnected" | "command">): string[] {
    switch (event.type) {
      case "connecting":
        return [];
      case "connected":
        return [this.#on(event.host, `connected in ${duration(event.ms)}`)];
      case "disconnected": {
        const { host, roundTrips, commands } = event;
        return [this.#on(host, `${count(roundTrips, "round trip")}, ${count(commands, "command")}`)];
      }
      case "command": {
        const [first = "", ...rest] = commandLines(event.command, event.code, event.ms);
        return [this.#on(event.host, first), ...rest].map((line) => this.#paint("dim", line));
      }
    }
  }
}

function nameOf({ task, key }: Of<"task">): string {
  return key === "" ? task : `${task} ${key}`;
}
