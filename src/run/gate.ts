import { setTimeout as sleep } from "node:timers/promises";
import type { Playbook } from "../playbook/define.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { defaultRolling, type RunOptions } from "./options.ts";
import { runProbes } from "./probes.ts";

/** How long a gate that does not hold yet is left alone before it is proved again. */
const pauseMs = 1000;
/** More pairs than these are counted. */
const pairsAtMost = 8;

/**
 * What has to hold between batches: the playbook's own proof, or a play's, of the pairs between the hosts just changed and
 * all others, both ways. Pairs that did not work before the first batch are named then, and do not fail it later, unless it
 * is strict.
 */
export class Gate {
  readonly #proof: Playbook["verify"];
  readonly #options: RunOptions;
  readonly #context: RunContext;
  readonly #fleet: Fleet;
  readonly #hosts: readonly HostRun[];
  #broken: ReadonlySet<string> | undefined;

  constructor(
    proof: Playbook["verify"],
    options: RunOptions,
    context: RunContext,
    fleet: Fleet,
    hosts: readonly HostRun[],
  ) {
    this.#proof = proof;
    this.#options = options;
    this.#context = context;
    this.#fleet = fleet;
    this.#hosts = hosts;
  }

  /** Looks which pairs do not work before anything is interrupted; once a run. */
  async lookBefore(): Promise<void> {
    if (this.#broken || this.#rolling.gate === "strict") return;
    const { failed } = await this.#prove("before the first batch");
    this.#broken = new Set(failed);
    if (failed.length === 0) return;
    const more = failed.length > pairsAtMost ? ` and ${failed.length - pairsAtMost} more` : "";
    const pairs = `${failed.slice(0, pairsAtMost).join(", ")}${more}`;
    this.#say("warning", `did not work before the first batch, and does not fail the gate: ${pairs}`);
  }

  /**
   * Whether the proof holds for the hosts of a batch; it is tried again until it does, or until one that began after the time
   * to settle fails, too: a proof that fails may take longer than that.
   */
  async holds(batch: readonly HostRun[]): Promise<boolean> {
    const until = Date.now() + this.#rolling.settleMs;
    const among = new Set(batch.map((host) => host.name));
    for (;;) {
      const began = Date.now();
      const { errors, failed } = await this.#prove("gate", among);
      if (errors === 0 && failed.every((pair) => this.#broken?.has(pair))) return true;
      if (began >= until || this.#context.interrupted.aborted) return false;
      const left = Math.ceil((until - Date.now()) / 1000);
      const time = left > 0 ? `it has ${left} s more to settle` : "it is proved once more";
      this.#say("info", `the gate does not hold yet; ${time}`);
      await sleep(pauseMs, undefined, { signal: this.#context.interrupted }).catch(() => {});
    }
  }

  get #rolling() {
    return this.#options.rolling ?? defaultRolling;
  }

  #say(level: "info" | "warning", text: string): void {
    this.#context.say({ type: "message", level, text });
  }

  #prove(stage: string, among?: ReadonlySet<string>) {
    // A batch that was undone is proved with its hosts that failed.
    const standing = this.#hosts.filter((host) => !host.failure || among?.has(host.name));
    const asks = { evidence: false, allPairs: this.#options.allPairs === true };
    return runProbes(this.#proof, this.#fleet, standing, {
      ...this.#context,
      ...asks,
      stage,
      ...(among ? { among } : {}),
    });
  }
}
