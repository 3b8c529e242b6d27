import { describeError } from "../errors.ts";
import { diffLines } from "./diff.ts";
import type { ReporterOptions, RunEvent, ShownStep } from "./events.ts";
import { matrixLines } from "./matrix.ts";
import { duration, type Paint, painter } from "./paint.ts";
import { recapLines } from "./recap.ts";

/** How often a wait is told again, in milliseconds. */
const waitingEvery = 5000;

type TaskEvent = Extract<RunEvent, { type: "task" }>;

/** The lines that stay: what happened, each with its host in front, so that grep finds it. */
export class Transcript {
  readonly #options: Pick<ReporterOptions, "verbose" | "diff">;
  readonly #paint: Paint;
  readonly #waiting = new Map<string, number>();
  #wide = 8;

  constructor({ color, ...options }: Pick<ReporterOptions, "verbose" | "diff" | "color">) {
    this.#options = options;
    this.#paint = painter(color);
  }

  lines(event: RunEvent): string[] {
    const paint = this.#paint;
    switch (event.type) {
      case "run":
        this.#wide = Math.max(8, ...event.hosts.map((h) => h.length));
        return [
          `${paint("bold", event.playbook)}: ${event.summary}`,
          `run ${event.id} on ${event.hosts.length} hosts${event.check ? ", check only: nothing is changed" : ""}`,
        ];
      case "message": {
        const text = event.host ? this.#on(event.host, event.text) : event.text;
        return [event.level === "warning" ? paint("yellow", `warning: ${text}`) : text];
      }
      case "play":
        return ["", paint("bold", `PLAY ${event.index + 1}/${event.count}  ${event.title}`)];
      case "task":
        return this.#task(event);
      case "step":
        return this.#step(event);
      case "consequence":
        return this.#consequence(event);
      case "failed":
      case "unreachable":
        return [paint("red", this.#on(event.host, event.type)), ...indented(describeError(event.error))];
      case "command":
        return this.#options.verbose ? this.#command(event) : [];
      case "probe":
        return this.#probe(event);
      case "recap":
        return ["", ...recapLines(event, paint)];
      case "connected":
        return this.#options.verbose ? [this.#on(event.host, `connected in ${duration(event.ms)}`)] : [];
      default:
        return [];
    }
  }

  #on(host: string, text: string): string {
    return `${host.padEnd(this.#wide)}  ${text}`;
  }

  #task(event: TaskEvent): string[] {
    const name = event.key ? `${event.task} ${event.key}` : event.task;
    switch (event.state) {
      case "ok":
        return this.#options.verbose ? [this.#on(event.host, `ok        ${name}`)] : [];
      case "changed":
        return [this.#paint("yellow", this.#on(event.host, `changed   ${name}`))];
      case "planned":
        return [
          this.#paint("yellow", this.#on(event.host, `would change  ${name}`)),
          ...(event.steps ?? []).flatMap((step) => [this.#change(step), ...this.#diff(step)]),
          ...(event.later === undefined ? [] : [this.#paint("cyan", `    later: ${event.later}`)]),
        ];
      case "waiting":
        return this.#wait(event, name);
      default:
        return [];
    }
  }

  #wait(event: TaskEvent, name: string): string[] {
    const key = `${event.host} ${name}`;
    const last = this.#waiting.get(key);
    if (last !== undefined && event.at - last < waitingEvery) return [];
    this.#waiting.set(key, event.at);
    return [this.#on(event.host, `waiting   ${name}: ${event.reason ?? ""}`)];
  }

  #step({ host, step, state, ms }: Extract<RunEvent, { type: "step" }>): string[] {
    if (state !== "done") return [];
    const took = ms !== undefined && ms >= 1000 ? ` (${duration(ms)})` : "";
    return [`${this.#on(host, this.#words(step))}${took}`, ...this.#diff(step)];
  }

  #change(step: ShownStep): string {
    const lasting = step.irreversible ? this.#paint("red", `  (cannot be undone: ${step.irreversible})`) : "";
    return `    ${this.#words(step)}${lasting}`;
  }

  #words({ what, from, to }: ShownStep): string {
    const sign = from === null ? "+" : to === null ? "-" : "~";
    return `${sign} ${what}: ${from ?? "—"} → ${to ?? "—"}`;
  }

  #diff(step: ShownStep): string[] {
    return this.#options.diff ? diffLines(step, this.#paint) : [];
  }

  #consequence({ host, what, why, state, ms }: Extract<RunEvent, { type: "consequence" }>): string[] {
    const because = why.length > 0 ? `, because of ${why.join(", ")}` : "";
    if (state === "planned") return [this.#on(host, `would ${what}${because}`)];
    if (state === "done") return [this.#on(host, `${what} (${duration(ms ?? 0)})${because}`)];
    if (state === "failed") return [this.#paint("red", this.#on(host, `${what} failed`))];
    return [];
  }

  #command({ host, command, code, ms }: Extract<RunEvent, { type: "command" }>): string[] {
    const text = command.length > 2000 ? `${command.slice(0, 2000)}…` : command;
    const ended = `${code === 0 ? "" : `code ${code}, `}${duration(ms)}`;
    return [
      this.#paint("dim", `${this.#on(host, `$ ${text.trim().replaceAll("\n", "\n    ")}`)}   # ${ended}`),
    ];
  }

  #probe(event: Extract<RunEvent, { type: "probe" }>): string[] {
    if (event.state === "started")
      return event.doing ? [] : ["", this.#paint("bold", `VERIFY  ${event.name}`)];
    if (event.error)
      return [this.#paint("red", `${event.name} failed`), ...indented(describeError(event.error))];
    return event.matrix ? matrixLines(event.matrix, this.#paint) : [];
  }
}

function indented(text: string): string[] {
  return text.split("\n").map((line) => `    ${line}`);
}
