import { CausewayError } from "../errors.ts";
import { HostReader, ReadMemory } from "../host/reader.ts";
import type { Session } from "../host/session.ts";
import type { AtRisk } from "../host/tools/containers.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { type Journal, parseJournal, readJournalScript } from "../journal/entries.ts";
import type { HostView } from "../playbook/fleet.ts";
import type { TaskInstance } from "../task/define.ts";
import type { Consequence } from "../task/step.ts";
import { type ContainerFate, fateOf } from "./container-words.ts";
import type { HostRecap, RunEvent } from "./events.ts";
import { planTask, type TaskPlan } from "./plan.ts";
import type { AnyPlay } from "./prepare.ts";
import type { Choice } from "./selection.ts";
import { Switch } from "./switch.ts";

/** An event without its time. */
export type Said = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "at"> : never) : never;

/** One host during one run: its session, what was read there, its journal, how it fares. */
export class HostRun {
  readonly host: InventoryHost;
  readonly view: HostView;
  readonly session: Session;
  readonly memory: ReadMemory;
  readonly say: (event: Said) => void;
  journal: Journal = { head: "", runs: [], entries: [], libraries: [] };
  /** Other hosts, or this very process, are reached through it: it is changed after the others. */
  carries = false;
  /** Whether a script of this run began to work here. */
  began = false;
  readonly switch = new Switch();
  #entries = 0;
  /** Restarts that steps made necessary and that have not happened yet, with the entries that asked. */
  readonly owed = new Map<string, { consequence: Consequence; causedBy: string[]; why: Set<string> }>();
  /** Identities that were planned, as `task key`; as `task * kind` what an earlier version did under any key. */
  readonly planned = new Set<string>();
  /** Leaves of a play's tasks those that the run is about. */
  choose: Choice = (_, tasks) => tasks;
  /** Identities of tasks that are not chosen, in the same words: they are neither done nor undone. */
  readonly leftAlone = new Set<string>();
  /** The tasks of plays as far as they are composed: those that need no facts on the first trip, the others after it. */
  readonly composed = new Map<AnyPlay, readonly TaskInstance[]>();
  readonly #plans = new Map<TaskInstance, { asOf: number; plan: Promise<TaskPlan> }>();
  readonly recap: HostRecap & { owed: string[] } = emptyRecap();
  failure?: CausewayError;
  /** In check: what was planned so far, which a later play of the same need not do again. */
  readonly foreseen = new Set<string>();
  /** Whether a step that failed here was tried again: of the first try the journal has an entry that is not finished. */
  leftHalfDone = false;
  /** What ends with Docker where this run restarts or stops it. */
  atRisk?: AtRisk;
  /** In check: whose steps would be undone first, so that what is planned after may look different then. */
  takesOver?: string;

  constructor(host: InventoryHost, view: HostView, session: Session, say: (event: Said) => void) {
    this.host = host;
    this.view = view;
    this.session = session;
    this.memory = new ReadMemory(session);
    this.say = say;
  }

  get name(): string {
    return this.host.name;
  }

  /** The number of the next entry of this run in the journal. */
  nextNumber(): string {
    this.#entries += 1;
    return String(this.#entries).padStart(4, "0");
  }

  /** The same without taking it. */
  get upcomingNumber(): string {
    return String(this.#entries + 1).padStart(4, "0");
  }

  reader(): HostReader {
    return new HostReader(this.memory);
  }

  /** What a task still misses here, planned anew only after something was performed; an error names host and task. */
  plan(instance: TaskInstance): Promise<TaskPlan> {
    const known = this.#plans.get(instance);
    if (known?.asOf === this.memory.forgotten) return known.plan;
    const plan = planTask(instance, this.reader()).catch((error: unknown) => {
      this.#plans.delete(instance);
      throw named(error, this.name, instance);
    });
    this.#plans.set(instance, { asOf: this.memory.forgotten, plan });
    return plan;
  }

  async readJournal(): Promise<void> {
    const { stdout } = await this.memory.ask(readJournalScript, { looksAt: ["journal"] });
    this.journal = parseJournal(stdout, this.name);
  }

  /** In check, once: the containers that end with a restart, or with a unit that is stopped. */
  tellAtRisk(units: Pick<ReadonlyMap<string, unknown>, "has">): void {
    if (!this.atRisk?.units.some((unit) => units.has(unit))) return;
    const { outlive, containers } = this.atRisk;
    delete this.atRisk;
    if (outlive || containers.length === 0) return;
    const fates = containers.map(fateOf);
    this.say({ type: "containers", host: this.name, state: "planned", containers: fates });
  }

  /** Containers that ended with Docker; those that are not back are told once more at the end. */
  tellEnded(containers: readonly ContainerFate[]): void {
    if (containers.length === 0) return;
    this.say({ type: "containers", host: this.name, state: "ended", containers });
    const gone = containers.filter(({ returns }) => returns !== "yes").map(({ name }) => name);
    if (gone.length > 0) this.recap.notBack = [...new Set([...(this.recap.notBack ?? []), ...gone])];
  }

  /** The same with whatever was thrown; a bug of ours goes on its way. */
  failWith(error: unknown): void {
    if (!(error instanceof CausewayError)) throw error;
    this.fail(error);
  }

  /** A failure that is the whole truth about a host, whatever was known of it before. */
  failAnew(error: CausewayError): void {
    delete this.failure;
    this.recap.failed = 0;
    this.recap.unreachable = false;
    this.fail(error);
  }

  /** The host leaves the run; the others continue. What goes wrong after that is told, and the first failure stays the reason. */
  fail(error: CausewayError): void {
    if (this.failure === error) return;
    if (!this.failure) {
      this.failure = error;
      this.recap.owed = [...this.owed.keys()];
      if (error.code === "unreachable") this.recap.unreachable = true;
      else this.recap.failed += 1;
    }
    this.say({ type: error.code === "unreachable" ? "unreachable" : "failed", host: this.name, error });
  }
}

export function emptyRecap(): HostRecap & { owed: string[] } {
  return { ok: 0, changed: 0, failed: 0, unreachable: false, steps: 0, restarts: 0, owed: [] };
}

/** The error with the host and task it belongs to; what is not one of ours is passed on as it is. */
function named(error: unknown, host: string, { task, key }: TaskInstance): unknown {
  if (!(error instanceof CausewayError) || error.detail.task) return error;
  return new CausewayError(error.code, error.message, {
    ...error.detail,
    host,
    task: `${task} ${key}`,
    cause: error,
  });
}
