import { CausewayError } from "../errors.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { Watched, WatchedPair, Watcher } from "../task/watched.ts";
import { Activities } from "./activities.ts";
import type { RunContext } from "./context.ts";
import type { RunEvent, ToldPair } from "./events.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import { asProbeHost } from "./probes.ts";

/** What is silent when the run has ended may take so long to answer again. */
const patienceMs = 10_000;

interface Begun {
  name: string;
  watcher: Watcher;
}

/**
 * What `--watch` asks for: the probes of a playbook's proof that can watch do so from before its first step until after its
 * last proof, and each gap is told with the steps and restarts that went on meanwhile.
 */
export class Watch {
  /** Pairs over `--max-gap`. */
  over = 0;
  readonly #options: RunOptions;
  readonly #context: RunContext;
  readonly #fleet: Fleet;
  readonly #began: number;
  readonly #activities = new Activities();
  #watchers: Begun[] = [];

  /** `began`: when the run did, as `Date.now()` has it. */
  constructor(options: RunOptions, context: RunContext, fleet: Fleet, began: number) {
    this.#options = options;
    this.#context = context;
    this.#fleet = fleet;
    this.#began = began;
  }

  /** Everything that the run says passes by here. */
  hear(event: RunEvent): void {
    if (this.#options.watch) this.#activities.take(event);
  }

  /** Begins to watch. The errors are why `--max-gap` could not be judged: then nothing is to be changed. */
  async start(hosts: readonly HostRun[]): Promise<CausewayError[]> {
    const { watch, check, playbook } = this.#options;
    if (!watch) return [];
    if (check) {
      this.#tell("info", "--watch: a check changes nothing, and nothing is watched");
      return [];
    }
    const standing = hosts.filter((host) => !host.failure);
    const probes = playbook.verify?.(this.#fleet as never) ?? [];
    const able = probes.filter((probe) => probe.watch);
    if (able.length === 0) return this.#cannot(`nothing in the proof of ${playbook.name} can watch`);
    if (standing.length < 2) return this.#cannot("pairs need two hosts");
    if (able.length < probes.length)
      this.#tell("warning", `--watch: ${able.length} of ${probes.length} probes of the proof can watch`);
    try {
      const silent = able.map((): readonly string[] => []);
      for (const [index, probe] of able.entries()) {
        const watcher = await probe.watch?.(standing.map(asProbeHost), {
          interrupted: this.#options.interrupted,
          say: (doing) => this.#context.say({ type: "watch", name: probe.probe, state: "started", doing }),
          silent: (pairs) => {
            if (pairs.join() === silent[index]?.join()) return;
            silent[index] = pairs;
            const all = [...new Set(silent.flat())];
            this.#context.say({ type: "watch", name: probe.probe, state: "changed", silent: all });
          },
        });
        if (watcher) this.#watchers.push({ name: probe.probe, watcher });
      }
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      return [error];
    }
    return [];
  }

  /** Ends the watch, tells what it saw, and judges it. */
  async stop(): Promise<void> {
    const watchers = this.#watchers.splice(0);
    const seen = await Promise.all(
      watchers.map(async ({ name, watcher }) => ({ name, watched: await watcher.stop(patienceMs) })),
    );
    for (const { name, watched } of seen) this.#report(name, watched);
  }

  #report(name: string, { pairs, ...watched }: Watched): void {
    const told = pairs.map((pair) => this.#told(pair));
    const limit = this.#options.watch?.maxGapMs;
    const over = told.filter(
      ({ reached, longestMs }) => limit !== undefined && (!reached || longestMs > limit),
    );
    this.over += over.length;
    this.#context.say({
      type: "watched",
      name,
      ...watched,
      pairs: told,
      ...(limit === undefined
        ? {}
        : { maxGapMs: limit, over: over.map(({ from, to }) => `${from} → ${to}`) }),
    });
  }

  #told({ gaps, ...pair }: WatchedPair): ToldPair {
    return {
      ...pair,
      longestMs: Math.max(0, ...gaps.map(({ ms }) => ms)),
      gaps: gaps.map(({ from, ...gap }) => {
        const at = from - this.#began;
        return { at, ...gap, during: this.#activities.during(at, at + gap.ms, [pair.from, pair.to]) };
      }),
    };
  }

  #cannot(why: string): CausewayError[] {
    if (this.#options.watch?.maxGapMs === undefined) {
      this.#tell("warning", `--watch: ${why}; nothing is watched`);
      return [];
    }
    return [
      new CausewayError("verify", `--max-gap cannot be judged: ${why}`, {
        expected: "a playbook whose verify has a probe with a watch, such as ping-check, and two hosts",
        advice: "leave --max-gap out, or run it on a playbook and hosts where there are pairs to watch",
      }),
    ];
  }

  #tell(level: "info" | "warning", text: string): void {
    this.#context.say({ type: "message", level, text });
  }
}
