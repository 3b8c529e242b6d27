import type { ShownStep } from "../task/shown-step.ts";
import type { Json, JsonError, JsonEvent } from "./json-event.ts";

/** Something that took time on a host, in milliseconds since the run began. */
export interface Span {
  host: string;
  kind: "connection" | "step" | "restart" | "wait";
  what: string;
  from: number;
  to: number;
  /** It failed, or never ended. */
  state: "done" | "failed" | "cut off";
}

/** A change of one host: planned, and what became of it. */
export interface Change {
  host: string;
  /** The play's title; nothing for what is undone beside the plays. */
  play: string;
  /** `docker-bip docker0`; of a restart its words. */
  task: string;
  state: "planned" | "not done" | "done" | "failed";
  step?: ShownStep;
  /** Why the rest cannot be planned, or what asked for a restart. */
  because?: string;
  ms?: number;
}

/** A task on a host, as it came out. */
export interface TaskEnd {
  host: string;
  play: string;
  name: string;
  state: "ok" | "changed" | "planned" | "failed" | "not ended";
  ms: number;
}

export interface Failure {
  type: "failed" | "unreachable" | "refused";
  host: string | undefined;
  at: number;
  error: JsonError;
}

/** A proof that has ended. */
export interface SeenProof {
  began: number;
  end: Json<"probe">;
  /**
   * Whether the run is judged by it: those at its end, and one at which it stopped. Of the others a run takes what they find as it
   * is: pairs that did not work before need not work after a batch.
   */
  counts: boolean;
}

/** What a run's events amount to, for those who show it as a whole. */
export interface Seen {
  run: Json<"run"> | undefined;
  recap: Json<"recap"> | undefined;
  topology: Json<"topology"> | undefined;
  /** Its last moment, in milliseconds. */
  endMs: number;
  spans: readonly Span[];
  changes: readonly Change[];
  tasks: readonly TaskEnd[];
  failures: readonly Failure[];
  proofs: readonly SeenProof[];
  plays: readonly Json<"play">[];
  batches: readonly Json<"batch">[];
  containers: readonly Json<"containers">[];
  watched: readonly Json<"watched">[];
  messages: readonly Json<"message">[];
}

export function seenIn(events: readonly JsonEvent[]): Seen {
  const of = <T extends JsonEvent["type"]>(type: T) =>
    events.filter((event): event is Json<T> => event.type === type);
  const recap = of("recap").at(-1);
  const endMs = Math.max(recap?.ms ?? 0, events.at(-1)?.at ?? 0);
  return {
    run: of("run").at(-1),
    recap,
    topology: of("topology").at(-1),
    endMs,
    spans: spansIn(events, endMs),
    changes: changesIn(events),
    tasks: tasksIn(events),
    failures: [...of("unreachable"), ...of("failed"), ...of("refused")].map((event) => ({
      type: event.type,
      host: "host" in event ? event.host : undefined,
      at: event.at,
      error: event.error,
    })),
    proofs: proofsIn(of("probe")),
    plays: of("play"),
    batches: of("batch"),
    containers: of("containers"),
    watched: of("watched"),
    messages: of("message"),
  };
}

function nameOf({ task, key }: { task: string; key: string }): string {
  return key === "" ? task : `${task} ${key}`;
}

function proofsIn(probes: readonly Json<"probe">[]): SeenProof[] {
  const began = new Map<string, number>();
  const proofs: Omit<SeenProof, "counts">[] = [];
  for (const probe of probes) {
    if (probe.state === "started") {
      if (!began.has(probe.name)) began.set(probe.name, probe.at);
      continue;
    }
    proofs.push({ began: began.get(probe.name) ?? probe.at, end: probe });
    began.delete(probe.name);
  }
  return proofs.map((proof) => ({
    ...proof,
    counts: proof.end.stage === undefined || proof === proofs.at(-1),
  }));
}

/** What is open when the events end was cut off. */
class Spans {
  readonly all: Span[] = [];
  readonly #open = new Map<string, Span>();

  open(kind: Span["kind"], host: string, what: string, from: number): void {
    const key = `${kind}\0${host}\0${what}`;
    if (this.#open.has(key)) return;
    const span: Span = { host, kind, what, from, to: Number.POSITIVE_INFINITY, state: "cut off" };
    this.#open.set(key, span);
    this.all.push(span);
  }

  /** One that is told only once it has ended began so long before. */
  end(
    kind: Span["kind"],
    host: string,
    what: string,
    at: { to: number; ms?: number | undefined; state: "done" | "failed" },
  ): void {
    const key = `${kind}\0${host}\0${what}`;
    this.open(kind, host, what, at.to - (at.ms ?? 0));
    const span = this.#open.get(key);
    this.#open.delete(key);
    if (span) [span.to, span.state] = [at.to, at.state];
  }

  /** Waits have no word for their end, and what a lost host was doing has none either. */
  endAll(host: string, to: number, state: Span["state"], kind?: Span["kind"]): void {
    for (const [key, span] of this.#open)
      if (span.host === host && (kind === undefined || span.kind === kind)) {
        [span.to, span.state] = [to, state];
        this.#open.delete(key);
      }
  }

  cutOff(at: number): readonly Span[] {
    for (const span of this.#open.values()) span.to = at;
    return this.all;
  }
}

function spansIn(events: readonly JsonEvent[], endMs: number): readonly Span[] {
  const spans = new Spans();
  for (const event of events) {
    switch (event.type) {
      case "connecting":
        spans.open("connection", event.host, "connecting", event.at);
        break;
      case "connected":
        spans.end("connection", event.host, "connecting", { to: event.at, ms: event.ms, state: "done" });
        break;
      case "unreachable":
      case "failed":
        spans.endAll(event.host, event.at, "failed");
        break;
      case "task":
        if (event.state === "waiting")
          spans.open("wait", event.host, `${nameOf(event)}: ${event.reason ?? "waiting"}`, event.at);
        else spans.endAll(event.host, event.at, event.state === "failed" ? "failed" : "done", "wait");
        break;
      case "step": {
        const what = `${event.task}: ${event.step.what}`;
        if (event.state === "started") spans.open("step", event.host, what, event.at);
        else spans.end("step", event.host, what, { to: event.at, ms: event.ms, state: event.state });
        break;
      }
      case "consequence":
        if (event.state === "started") spans.open("restart", event.host, event.what, event.at);
        else if (event.state === "done" || event.state === "failed")
          spans.end("restart", event.host, event.what, { to: event.at, ms: event.ms, state: event.state });
        break;
    }
  }
  return spans.cutOff(endMs);
}

/** A step is planned, or about to be performed, by the event of its task; what became of it says its own. */
function changesIn(events: readonly JsonEvent[]): readonly Change[] {
  const changes: Change[] = [];
  const open = new Map<string, Change>();
  const keyOf = (host: string, task: string, { what }: ShownStep) => `${host}\0${task}\0${what}`;
  for (const event of events) {
    if (event.type === "task" && (event.state === "planned" || event.state === "performing")) {
      const about = { host: event.host, play: event.play, task: nameOf(event) };
      for (const step of event.steps ?? []) {
        const change: Change = { ...about, step, state: event.state === "planned" ? "planned" : "not done" };
        if (event.state === "performing") open.set(keyOf(event.host, event.task, step), change);
        changes.push(change);
      }
      if (event.later !== undefined) changes.push({ ...about, state: "planned", because: event.later });
    } else if (event.type === "step" && event.state !== "started") {
      const key = keyOf(event.host, event.task, event.step);
      const { host, task, step, state, ms } = event;
      const known = open.get(key);
      open.delete(key);
      if (known) Object.assign(known, { state, ...(ms === undefined ? {} : { ms }) });
      else changes.push({ host, play: "", task, step, state, ...(ms === undefined ? {} : { ms }) });
    } else if (event.type === "consequence" && event.state !== "started" && event.state !== "spared") {
      const { host, what, why, state, ms } = event;
      changes.push({
        host,
        play: "",
        task: what,
        state,
        because: why.join(", "),
        ...(ms === undefined ? {} : { ms }),
      });
    }
  }
  return changes;
}

function tasksIn(events: readonly JsonEvent[]): readonly TaskEnd[] {
  const began = new Map<string, number>();
  const tasks = new Map<string, TaskEnd>();
  for (const event of events) {
    if (event.type !== "task") continue;
    const { host, play, state, at } = event;
    const name = nameOf(event);
    const key = `${host}\0${play}\0${name}`;
    if (!began.has(key)) began.set(key, at);
    const ended = ["ok", "changed", "planned", "failed"].includes(state);
    const task = { host, play, name, ms: at - (began.get(key) ?? at) };
    tasks.set(key, { ...task, state: ended ? (state as TaskEnd["state"]) : "not ended" });
  }
  return [...tasks.values()];
}
