import type { RunEvent } from "./events.ts";
import { duration, type Paint, painter } from "./paint.ts";

interface LiveHost {
  name: string;
  doing: string;
  /** Since when it does that, by the clock. */
  since: number;
}

/** Up to so many hosts are all shown; of more, only those that take their time. */
const allShownUpTo = 12;
const slowAfterMs = 3000;
const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/** What every host is doing just now. Taking an event costs the same however many hosts there are. */
export class LiveHosts {
  /** How far listr2 is with the present stage. */
  stage: (() => { done: number; count: number; working: ReadonlySet<string | undefined> }) | undefined;
  readonly #paint: Paint;
  readonly #busy = new Map<string, LiveHost>();
  #heading = "connecting";
  #probe: LiveHost | undefined;
  #lost = 0;

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
        this.#heading = event.title;
        this.#busy.clear();
        for (const host of event.hosts) this.#set(host, "planning", now);
        return;
      case "task":
        if (event.state === "ok" || event.state === "changed" || event.state === "planned") return;
        this.#set(event.host, `${event.task} ${event.key}: ${event.reason ?? "working"}`, now);
        return;
      case "step":
        this.#set(event.host, `${event.task}: ${event.step.what}`, now);
        return;
      case "consequence":
        this.#set(event.host, event.what, now);
        return;
      case "failed":
      case "unreachable":
        this.#lost += 1;
        this.#busy.delete(event.host);
        return;
      case "probe":
        this.#busy.clear();
        this.#probe =
          event.state === "started" ? { name: event.name, doing: event.doing ?? "", since: now } : undefined;
        return;
      default:
    }
  }

  #set(name: string, doing: string, now: number): void {
    const host = this.#busy.get(name);
    if (host?.doing === doing) return;
    this.#busy.set(name, { name, doing, since: now });
  }

  /** The rows below the lines that stay: a heading with a counter, then the hosts that are worth a look. */
  draw(_columns: number, rows: number, now: number): string[] {
    const turn = spinner[Math.floor(now / 100) % spinner.length] ?? "";
    if (this.#probe) return [this.#row(turn, this.#probe, now)];
    const stage = this.stage?.();
    if (!stage) return [];
    const lost = this.#lost > 0 ? this.#paint("red", `, ${this.#lost} lost`) : "";
    const heading = `${turn} ${this.#heading}  ${stage.done}/${stage.count} hosts${lost}`;
    const busy = [...this.#busy.values()].filter((host) => stage.working.has(host.name));
    const shown = busy.length <= allShownUpTo ? busy : busy.filter((host) => now - host.since > slowAfterMs);
    const fitting = shown.slice(0, Math.max(0, rows - 2));
    const more = shown.length - fitting.length;
    return [
      this.#paint("cyan", heading),
      ...fitting.map((host) => this.#row(" ", host, now)),
      ...(more > 0 ? [`  … and ${more} more`] : []),
    ];
  }

  #row(mark: string, { name, doing, since }: LiveHost, now: number): string {
    const time = now - since > 1000 ? this.#paint("dim", `  ${duration(now - since)}`) : "";
    return `${mark} ${name}  ${doing}${time}`;
  }
}
