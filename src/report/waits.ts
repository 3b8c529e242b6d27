import { type Fact, waitingEvery } from "./story.ts";

/** What many hosts are waiting for: a line a task, as often as one host would say it. */
export class Waits {
  readonly #known = new Map<string, { told: number; hosts: Set<string> }>();
  #of: number;

  constructor(of: number) {
    this.#of = of;
  }

  /** So many hosts take part from now on. */
  of(hosts: number): void {
    this.#of = hosts;
    this.#known.clear();
  }

  add({ host, did, about, rest }: Fact, at: number): string[] {
    const wait = this.#known.get(about) ?? { told: at, hosts: new Set<string>() };
    this.#known.set(about, wait);
    wait.hosts.add(host);
    if (at - wait.told < waitingEvery) return [];
    const line = `${did} on ${wait.hosts.size} of ${this.#of} hosts  ${about}${rest}`;
    this.#known.set(about, { told: at, hosts: new Set() });
    return [line];
  }
}
