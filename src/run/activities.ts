import type { Activity, RunEvent } from "./events.ts";

interface Span extends Activity {
  /** Milliseconds since the run began; without an end it goes on. */
  began: number;
  ended: number;
}

/** More than these are not named beside one gap. */
const atMost = 4;

/** What every host was doing when, as far as it can cost something: steps, reloads and restarts. */
export class Activities {
  readonly #spans: Span[] = [];
  readonly #open = new Map<string, Span>();

  take(event: RunEvent): void {
    if (event.type !== "step" && event.type !== "consequence") return;
    if (event.state === "planned" || event.state === "spared") return;
    const { host, at } = event;
    const about: Activity =
      event.type === "step" ? { host, task: event.task, what: event.step.what } : { host, what: event.what };
    const key = JSON.stringify(about);
    if (event.state === "started") {
      const span = { ...about, began: at, ended: Number.POSITIVE_INFINITY };
      this.#spans.push(span);
      this.#open.set(key, span);
      return;
    }
    const span = this.#open.get(key);
    this.#open.delete(key);
    if (span) span.ended = at;
    // A step that is told only once it is done.
    else this.#spans.push({ ...about, began: at - (event.ms ?? 0), ended: at });
  }

  /** What went on in a time: on these hosts, or where they did nothing, on any. Restarts come first. */
  during(from: number, to: number, hosts: readonly string[]): Activity[] {
    const then = this.#spans.filter(({ began, ended }) => began <= to && ended >= from);
    const own = then.filter(({ host }) => hosts.includes(host));
    return [...(own.length > 0 ? own : then)]
      .sort((a, b) => Number(a.task !== undefined) - Number(b.task !== undefined) || a.began - b.began)
      .slice(0, atMost)
      .map(({ host, task, what }) => ({ host, ...(task === undefined ? {} : { task }), what }));
  }
}
