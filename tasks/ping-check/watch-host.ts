import type { Companion, ProbeHost } from "causeway";
import { keepWatching, type Watching } from "./watch-inside.ts";
import { parseLine, type Said } from "./watch-lines.ts";
import { PairTimeline } from "./watch-timeline.ts";

/** The container that a host has now. */
export interface Here {
  address: string;
  id: string;
}

/** One host of a watch: its container, which is started again whenever it is gone, and the pings from there. */
export class WatchedHost {
  readonly name: string;
  /** What became of the packets to each peer, in times of the host's own clock. */
  readonly to: ReadonlyMap<string, PairTimeline>;
  here: Here | undefined;
  /** The container that it had last: its peers go on with it until there is another. */
  was: Here | undefined;
  /** How often its pings send, in milliseconds, once it has said so. */
  everyMs: number | undefined;
  hasImage = true;
  /** Packets that pings did not read in time: a machine that is busy loses them, not the network. */
  unread = 0;
  /** What Docker said last. */
  said = "";
  /** When its container was there again, on its own clock: what it is on ours is known better the longer the watch goes on. */
  readonly #again: number[] = [];
  readonly #host: ProbeHost;
  readonly #changed: () => void;
  /** This machine's clock less the host's uptime: of all lines, that of the one which came with the least delay. */
  #offset = Number.POSITIVE_INFINITY;
  #companion: Companion | undefined;
  /** Peers by the id of their container, and the ping of each address. */
  readonly #ids = new Map<string, string>();
  readonly #pings = new Map<string, PairTimeline>();
  /** The address of the ping that says in its next line how many packets it sent. */
  #ending = "";
  #saidNone = false;
  #isOver = false;
  #isTold = false;

  constructor(host: ProbeHost, peers: readonly string[], changed: () => void) {
    this.name = host.name;
    this.#host = host;
    this.#changed = changed;
    this.to = new Map(peers.map((peer) => [peer, new PairTimeline()]));
  }

  async start(watching: Watching): Promise<void> {
    this.#companion = await this.#host.accompany(keepWatching(watching), (line) =>
      this.#hear(parseLine(line)),
    );
    void this.#companion.ended.then(() => {
      this.#isOver = true;
      this.#isGone();
    });
  }

  /** It has its container, or said that it has none. */
  get isDecided(): boolean {
    return this.here !== undefined || this.#saidNone || this.#isOver;
  }

  /** It had a container, and has none now. */
  get isAway(): boolean {
    return this.was !== undefined && !this.here && !this.#isTold;
  }

  /** Its container ended because it was asked to. */
  get endedAsTold(): boolean {
    return this.#isTold && this.was !== undefined;
  }

  /** Whether its container was there again in a time of this machine's clock. */
  cameBack(from: number, to: number): boolean {
    return this.#again.map((at) => this.fromItsClock(at)).some((at) => at > from && at <= to);
  }

  /** Whom it is to ping: the containers of its peers, by host. What is said while it has no container goes astray. */
  tell(peers: ReadonlyMap<string, Here>): void {
    for (const [name, { id }] of peers) this.#ids.set(id, name);
    if (this.here)
      this.#companion?.tell(
        `peers ${[...peers.values()].map(({ address, id }) => `${address}=${id}`).join(" ")}`,
      );
  }

  /** Says that somebody still listens. */
  keepAlive(): void {
    if (this.here) this.#companion?.tell("alive");
  }

  async end(withinMs: number): Promise<void> {
    this.#isTold = this.here !== undefined;
    await this.#companion?.end(withinMs);
  }

  /** A time of the host's clock on this machine's. */
  fromItsClock(at: number): number {
    return at + this.#offset;
  }

  toItsClock(at: number): number {
    return at - this.#offset;
  }

  #hear(said: Said): void {
    if ("at" in said) this.#offset = Math.min(this.#offset, Date.now() - said.at);
    switch (said.says) {
      case "words":
        this.said = said.text || this.said;
        break;
      case "no image":
        this.hasImage = false;
        break;
      case "none":
        this.#saidNone = true;
        this.#isGone();
        break;
      case "here":
        this.#isHere(said);
        break;
      case "ping":
        this.#pingBegins(said);
        break;
      case "met":
        this.#pings.get(said.address)?.meet();
        break;
      case "answer":
        this.#pings.get(said.address)?.answer(said.at, said.sequence, said.rttMs);
        break;
      case "unread":
        this.unread = Math.max(this.unread, said.packets);
        break;
      case "ended":
        this.#ending = said.address;
        break;
      case "transmitted":
        this.#pings.get(this.#ending)?.end(said.packets);
        this.#pings.delete(this.#ending);
        break;
    }
  }

  #isHere({ at, address, id, everyMs }: Extract<Said, { says: "here" }>): void {
    if (this.was) this.#again.push(at);
    this.#cut();
    this.everyMs = everyMs;
    for (const timeline of this.to.values()) timeline.everyMs = everyMs;
    this.here = { address, id };
    this.was = this.here;
    this.#changed();
  }

  #isGone(): void {
    this.#cut();
    this.here = undefined;
  }

  #pingBegins({ address, id }: Extract<Said, { says: "ping" }>): void {
    const timeline = this.to.get(this.#ids.get(id) ?? "");
    if (!timeline) return;
    this.#pings.set(address, timeline);
    timeline.begin();
  }

  /** Its container was killed, with all its pings. */
  #cut(): void {
    for (const timeline of this.#pings.values()) timeline.cut();
    this.#pings.clear();
  }
}
