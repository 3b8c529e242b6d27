import { setTimeout as sleep } from "node:timers/promises";
import type { Gap, ProbeHost, WatchedPair } from "causeway";
import { everyOf } from "./containers.ts";
import type { Ends } from "./pairs.ts";
import { type Here, WatchedHost } from "./watch-host.ts";
import { aliveEveryMs, everyMs, type Watching } from "./watch-inside.ts";
import type { Silence } from "./watch-timeline.ts";

/** A first container may take so long to start, and what works then so long to show it. Milliseconds. */
const startMs = 30_000;
const showsMs = 3_000;
/** After so many intervals without an answer a pair is silent now. */
const silentAfter = 3;
/** What does not end when it is asked to is cut off. */
const endMs = 5_000;

/** The hosts of a watch. Where a container came back with another address, its peers are told from here. */
export class WatchedFleet {
  readonly #hosts: ReadonlyMap<string, WatchedHost>;
  readonly #pairs: readonly Ends[];
  readonly #interrupted: AbortSignal;
  #alive: NodeJS.Timeout | undefined;

  constructor(hosts: readonly ProbeHost[], pairs: readonly Ends[], interrupted: AbortSignal) {
    this.#pairs = pairs;
    this.#interrupted = interrupted;
    this.#hosts = new Map(
      hosts.map((host) => {
        const peers = pairs.filter(({ from }) => from === host.name).map(({ to }) => to);
        return [host.name, new WatchedHost(host, peers, () => this.#tellAbout(host.name))];
      }),
    );
  }

  /** Resolves once every host has its container, or cannot have it, and the pairs had time to show that they work. */
  async start(watching: Watching): Promise<void> {
    this.#alive = setInterval(() => {
      for (const host of this.#all) host.keepAlive();
    }, aliveEveryMs);
    await everyOf(
      this.#all.map((host, index) => host.start({ ...watching, name: `${watching.name}-${index}` })),
    );
    await this.#until(() => this.#all.every((host) => host.isDecided), startMs);
    await this.#until(() => this.#isAnswering(), showsMs);
  }

  /** Waits for what does not answer, or has no container just now. */
  async settle(patienceMs: number): Promise<void> {
    await this.#until(() => this.#all.every((host) => !host.isAway) && this.#isAnswering(), patienceMs);
  }

  async end(): Promise<void> {
    clearInterval(this.#alive);
    await Promise.all(this.#all.map((host) => host.end(endMs)));
  }

  lacksImage(name: string): boolean {
    return this.#hosts.get(name)?.hasImage === false;
  }

  /** The pairs that worked and do not answer now, as `from → to`. */
  silent(): string[] {
    const now = Date.now();
    return this.#pairs.flatMap(({ from, to }) => {
      const last = this.#lastAnswer(from, to);
      const isSilent = last !== undefined && now - last > silentAfter * this.everyMs;
      return isSilent ? [`${from} → ${to}`] : [];
    });
  }

  /** What every pair went through, until a time of this machine's clock. */
  seen(end: number): WatchedPair[] {
    return this.#pairs.flatMap(({ from, to }) => {
      const [sender, receiver] = [this.#hosts.get(from), this.#hosts.get(to)];
      const seen = sender?.to.get(to)?.seen(sender.toItsClock(end));
      if (!sender || !receiver || !seen) return [];
      const { reached, sent, lost, silences } = seen;
      return [{ from, to, reached, sent, lost, gaps: silences.map((s) => gapOf(s, sender, receiver)) }];
    });
  }

  notes(): string[] {
    return this.#all.flatMap(({ name, here, endedAsTold, said, unread }) => [
      ...(here || endedAsTold ? [] : [`no container on ${name} at the end${said === "" ? "" : `: ${said}`}`]),
      ...(unread > 0
        ? [
            `on ${name}, which is busy, ${unread} packets came that its pings did not read in time: what counts as lost there may be among them`,
          ]
        : []),
    ]);
  }

  /** The longest interval of all hosts, in milliseconds. */
  get everyMs(): number {
    return Math.max(everyMs, ...this.#all.map((host) => host.everyMs ?? 0));
  }

  get #all(): WatchedHost[] {
    return [...this.#hosts.values()];
  }

  async #until(holds: () => boolean, ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!holds() && Date.now() < end && !this.#interrupted.aborted) await sleep(50);
  }

  /** Whether each pair whose containers are there works now. */
  #isAnswering(): boolean {
    const works = ({ from, to }: Ends) =>
      !this.#hosts.get(from)?.here || !this.#hosts.get(to)?.here || this.#lastAnswer(from, to) !== undefined;
    return this.#pairs.every(works) && this.silent().length === 0;
  }

  /** On this machine's clock. */
  #lastAnswer(from: string, to: string): number | undefined {
    const sender = this.#hosts.get(from);
    const last = sender?.to.get(to)?.lastAnswer;
    return sender && last !== undefined ? sender.fromItsClock(last) : undefined;
  }

  /** A container is there, or there again: it learns of its peers, and they of it. */
  #tellAbout(name: string): void {
    this.#tell(name);
    for (const { from, to } of this.#pairs) if (to === name) this.#tell(from);
  }

  /** Lines tell pings apart by their address: of peers that have the same one, which are not reached anyway, none is told. */
  #tell(name: string): void {
    const host = this.#hosts.get(name);
    if (!host?.here) return;
    const peers = new Map<string, Here>();
    for (const peer of host.to.keys()) {
      const here = this.#hosts.get(peer)?.here ?? this.#hosts.get(peer)?.was;
      if (here) peers.set(peer, here);
    }
    const addresses = [host.here, ...peers.values()].map(({ address }) => address);
    const isAlone = ({ address }: Here) => addresses.indexOf(address) === addresses.lastIndexOf(address);
    host.tell(new Map([...peers].filter(([, here]) => isAlone(here))));
  }
}

/** A silence on this machine's clock, and whose container was started again meanwhile. */
function gapOf({ from, to, open }: Silence, sender: WatchedHost, receiver: WatchedHost): Gap {
  const [began, ended] = [sender.fromItsClock(from), sender.fromItsClock(to)];
  const restarted = [sender, receiver].filter((host) => host.cameBack(began, ended) || (open && host.isAway));
  return {
    from: Math.round(began),
    ms: Math.round(ended - began),
    open,
    restarted: restarted.map(({ name }) => name),
  };
}
