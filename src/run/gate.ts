import type { Playbook } from "../playbook/define.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { defaultRolling, type RunOptions } from "./options.ts";
import { runProbes } from "./probes.ts";

/**
 * What has to hold between batches: the playbook's own proof, of the pairs between the hosts just changed and all others,
 * both ways. Pairs that did not work before the first batch are named then, and do not fail it later, unless it is strict.
 */
export class Gate {
  readonly #options: RunOptions;
  readonly #context: RunContext;
  readonly #fleet: Fleet;
  readonly #hosts: readonly HostRun[];
  #broken: ReadonlySet<string> | undefined;
  #proof: Playbook["verify"];

  constructor(options: RunOptions, context: RunContext, fleet: Fleet, hosts: readonly HostRun[]) {
    this.#options = options;
    this.#context = context;
    this.#fleet = fleet;
    this.#hosts = hosts;
  }

  /** The same, by what a play proves itself. */
  by(proof: unknown): this {
    this.#proof = proof as Playbook["verify"];
    return this;
  }

  /** Looks which pairs do not work before anything is interrupted; once a run. */
  async lookBefore(): Promise<void> {
    if (this.#broken || this.#rolling.gate === "strict") return;
    const { failed } = await this.#prove("before the first batch");
    this.#broken = new Set(failed);
    if (failed.length === 0) return;
    const text = `did not work before the first batch, and does not fail the gate: ${failed.slice(0, 8).join(", ")}${failed.length > 8 ? ` and ${failed.length - 8} more` : ""}`;
    this.#context.say({ type: "message", level: "warning", text });
  }

  /** Whether the proof holds for the hosts of a batch; it is tried again until it does, or the time to settle is over. */
  async holds(batch: readonly HostRun[]): Promise<boolean> {
    const until = Date.now() + this.#rolling.settleMs;
    const among = new Set(batch.map((host) => host.name));
    for (;;) {
      const { errors, failed } = await this.#prove("gate", among);
      if (errors === 0 && failed.every((pair) => this.#broken?.has(pair))) return true;
      if (Date.now() >= until || this.#context.interrupted.aborted) return false;
    }
  }

  get #rolling() {
    return this.#options.rolling ?? defaultRolling;
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
