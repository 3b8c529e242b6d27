import type { RunEvent } from "../run/events.ts";
import { duration, oneLine, type Paint, painter } from "./paint.ts";

interface LiveHost {
  name: string;
  doing: string;
  /** What stays the same while the words change: a wait whose reason moves on is still one wait. */
  key: string;
  /** Since when it does that, by the clock. */
  since: number;
}

/** How far the present stage is: each play, and the connecting before them. */
export interface Stage {
  done: number;
  count: number;
  working: ReadonlySet<string | undefined>;
}

/** Up to so many hosts are all shown; of more, only those that take their time or were lost. */
const allShownUpTo = 12;
/** The rows that those take at most, whatever the height of the terminal. */
const manyRows = 10;
const slowAfterMs = 3000;
const timeShownAfterMs = 1000;
const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/** What every host is doing just now. Taking an event costs the same however many hosts there are. */
export class LiveHosts {
  stage: (() => Stage) | undefined;
  readonly #paint: Paint;
  readonly #busy = new Map<string, LiveHost>();
  /** Hosts that left the run, and why in one line. */
  readonly #lost = new Map<string, string>();
  #heading = "connecting";
  #probe: LiveHost | undefined;
  /** Pairs that worked and do not answer now. */
  #silent: readonly string[] = [];

  constructor(color: boolean) {
    this.#paint = painter(color);
  }

  take(event: RunEvent, now: number): void {
    switch (event.type) {
      case "connecting":
        this.#set(event.host, "connecting", now);
        return;
      case "connected":
        this.#set(event.host, "reading", now);
        return;
      case "play":
        this.#heading = `PLAY ${event.title}`;
        this.#busy.clear();
        for (const host of event.hosts) this.#set(host, "planning", now);
        return;
      case "task":
        this.#task(event, now);
        return;
      case "step":
        if (event.state === "started") this.#set(event.host, `${event.task}: ${event.step.what}`, now);
        else this.#set(event.host, "reading again", now);
        return;
      case "consequence":
        this.#set(event.host, event.state === "started" ? event.what : "reading again", now);
        return;
      case "failed":
      case "unreachable":
        this.#busy.delete(event.host);
        this.#lost.set(event.host, oneLine(`${event.type}: ${event.error.message}`));
        return;
      case "probe":
        this.#busy.clear();
        this.#probe =
          event.state === "started"
            ? { name: event.name, doing: oneLine(event.doing ?? ""), key: "", since: now }
            : undefined;
        return;
      case "watch":
        this.#silent = event.silent ?? [];
        return;
      case "watched":
        this.#silent = [];
        return;
      default:
    }
  }

  /** At most so many rows: a heading that counts, the hosts that are worth a look, and a count of those left out. */
  draw(rows: number, now: number): string[] {
    const silent = this.#silentRow();
    return [...this.#stage(rows - silent.length, now), ...silent];
  }

  #silentRow(): string[] {
    const [first, second, ...more] = this.#silent;
    if (first === undefined) return [];
    const named = second === undefined ? first : `${first}, ${second}`;
    return [
      this.#paint("yellow", `no answer now: ${named}${more.length > 0 ? ` and ${more.length} more` : ""}`),
    ];
  }

  #stage(rows: number, now: number): string[] {
    const turn = spinner[Math.floor(now / 100) % spinner.length] ?? "";
    if (this.#probe) return [this.#row(turn, this.#probe, now)];
    const stage = this.stage?.();
    if (!stage) return [];
    const working = [...this.#busy.values()].filter((host) => stage.working.has(host.name));
    const few = stage.count <= allShownUpTo;
    const busy = few ? working : longestFirst(working.filter((host) => now - host.since > slowAfterMs));
    // Only the rows that are shown are composed: this runs ten times a second.
    const slow = busy.map((host) => () => this.#row(turn, host, now));
    const lost = [...this.#lost].map(
      ([name, why]) =>
        () =>
          this.#paint("red", `✗ ${name}  ${why}`),
    );
    // Of many hosts, a lost one asks for more attention than one that takes its time.
    const lines = few ? [...slow, ...lost] : [...lost, ...slow];
    const room = Math.max(0, few ? rows - 1 : Math.min(rows - 1, manyRows));
    // One row less where a count of the rest has to go somewhere.
    const shown = lines.length <= room ? lines.length : Math.max(0, room - 1);
    const left = lines.length - shown;
    return [
      this.#headline(few ? "" : `${turn} `, stage),
      ...lines.slice(0, shown).map((row) => row()),
      ...(left > 0 ? [this.#paint("dim", `  … and ${left} more`)] : []),
    ];
  }

  #task(event: Extract<RunEvent, { type: "task" }>, now: number): void {
    const name = `${event.task} ${event.key}`.trim();
    switch (event.state) {
      case "waiting":
        this.#set(event.host, `${name}: waiting for ${event.reason ?? "it"}`, now, `waiting ${name}`);
        return;
      case "performing":
      case "reading":
        this.#set(event.host, name, now);
        return;
      default:
        this.#set(event.host, "planning", now);
        return;
    }
  }

  #set(name: string, words: string, now: number, key = words): void {
    const host = this.#busy.get(name);
    const since = host?.key === key ? host.since : now;
    this.#busy.set(name, { name, doing: oneLine(words), key, since });
  }

  #headline(turn: string, { done, count }: Stage): string {
    const lost = this.#lost.size > 0 ? this.#paint("red", `, ${this.#lost.size} lost`) : "";
    return this.#paint("cyan", `${turn}${this.#heading}  ${done}/${count} hosts done`) + lost;
  }

  #row(mark: string, { name, doing, since }: LiveHost, now: number): string {
    const time = now - since > timeShownAfterMs ? this.#paint("dim", ` (${duration(now - since)})`) : "";
    return `${mark} ${name}  ${doing}${time}`;
  }
}

function longestFirst(hosts: readonly LiveHost[]): LiveHost[] {
  return [...hosts].sort((a, b) => a.since - b.since);
}
