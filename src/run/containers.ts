import { CausewayError } from "../errors.ts";
import { sh } from "../host/sh.ts";
import { type AtRisk, parseAtRisk, parseContainer } from "../host/tools/containers.ts";
import type { Entry } from "../journal/entries.ts";
import type { Told } from "../journal/follow.ts";
import { libraryLines } from "../journal/library.ts";
import type { Action } from "../journal/script.ts";
import { mayInterrupt } from "../playbook/leave.ts";
import { type Consequence, resourceOf, type Step } from "../task/step.ts";
import { type ContainerFate, fateOf, fateWords } from "./container-words.ts";
import type { HostRun } from "./host-run.ts";

/** A step, an entry that is taken back, or a restart that is owed: what it is about, and what it makes necessary. */
export interface Change {
  /** For people. */
  what: string;
  /** What it changes, as the journal names it; empty where that is nothing by itself. */
  resource: string;
  /** What will be there. */
  to: string | null;
  causes: readonly Consequence[];
}

/**
 * The units that changes restart or stop, sorted, each with what it is for. Which of them Docker ends with, the host says. This
 * module, and the words for it, is the one place that knows what a restart of Docker is to containers.
 */
export function endedUnits(changes: readonly Change[]): Map<string, string[]> {
  const pairs = changes.flatMap(({ what, resource, to, causes }) => [
    ...causes.flatMap((cause) => (cause.do === "restart" ? [[cause.unit, what] as const] : [])),
    ...(resource.startsWith("unit ") && isDown.test(to ?? "inactive")
      ? [[resource.slice("unit ".length), what] as const]
      : []),
  ]);
  const units = new Map<string, string[]>();
  for (const [unit, what] of pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
    units.set(unit, [...new Set([...(units.get(unit) ?? []), what])]);
  return units;
}

/** A unit's state in words, as `disabled, inactive`. */
const isDown = /\b(inactive|failed|not there)\b/;

/** What an action changes, the way it goes; one that is only forgotten changes nothing. */
export function changeOf(action: Action): Change[] {
  if (action.does === "forget") return [];
  return [action.does === "step" ? stepChange(action.step) : undoing(action.entry)];
}

export function stepChange(step: Step): Change {
  return { what: step.what, resource: resourceOf(step), to: step.to, causes: step.causes };
}

/** The change that taking an entry back is. */
export function undoing({ what, resource, from, causes }: Entry): Change {
  return { what, resource, to: from, causes };
}

/** A reload or restart that no step asks for, and why. */
export function owedChange(consequence: Consequence, why: string): Change {
  return { what: why, resource: "", to: "", causes: [consequence] };
}

/** Asks a host, in one trip, which of its containers end with those units; none where nobody has to be asked. */
export async function askAtRisk(host: HostRun, units: readonly string[]): Promise<AtRisk> {
  if (units.length === 0) return { units: [], outlive: false, containers: [] };
  const ask = (libraries: readonly string[]) =>
    host.session.run([...libraryLines(libraries), sh`cw_tell_running ${units}`.text].join("\n"), {
      shown: "# the containers that end with Docker",
    });
  let answer = await ask(host.journal.libraries);
  // The library was removed or damaged.
  if (answer.code !== 0) answer = await ask([]);
  return parseAtRisk(answer.stdout.split("\n"));
}

/** The refusal of a run that ends somebody's containers without leave; undefined where it may, or where none ends. */
export function refusal(
  host: HostRun,
  { units, outlive, containers }: AtRisk,
  reasons: ReadonlyMap<string, readonly string[]> = new Map(),
): CausewayError | undefined {
  if (outlive || containers.length === 0 || mayInterrupt(host.view.vars)) return undefined;
  const why = [...new Set(units.flatMap((unit) => reasons.get(unit) ?? []))].join(", ");
  return new CausewayError("host", "this run restarts or stops Docker, and with it running containers", {
    host: host.name,
    found: [fateWords(containers.map(fateOf)), why && `because of ${why}`].filter(Boolean).join("\n"),
    expected: "no running container, or leave to interrupt them",
    advice: "stop them, or run with -e interrupt_containers=true",
  });
}

/** The refusal of an undo that live-restore would keep from its effect: Docker's network stays while any container runs. */
export function keptByLiveRestore(
  host: HostRun,
  { outlive, containers }: AtRisk,
  entries: readonly Entry[],
): CausewayError | undefined {
  const kept = entries.find(({ undoneIdle }) => undoneIdle);
  if (!kept || !outlive || containers.length === 0) return undefined;
  const names = containers.map(({ name }) => name).join(" ");
  return new CausewayError(
    "host",
    `${kept.what} cannot be undone while containers run, because of live-restore`,
    {
      host: host.name,
      task: `${kept.task} ${kept.key}`,
      found: `running: ${names}`,
      expected: `${kept.from ?? "nothing"}, which Docker restores only when it starts without a running container`,
      advice: `docker stop ${names}, run the same command again, then docker start ${names}`,
    },
  );
}

/** What became of the containers that a script found running: those that ended, by Docker's own times. */
export function ended({ atRisk, returned }: Told): ContainerFate[] {
  const { containers } = parseAtRisk(atRisk);
  const now = new Map(returned.map(parseContainer).map((container) => [container.id, container]));
  return containers.flatMap((before): ContainerFate[] => {
    const after = now.get(before.id);
    if (after?.running && after.startedAt === before.startedAt) return [];
    const { name, networks, policy } = fateOf(before);
    if (!after?.running) return [{ name, networks, policy, returns: "no" }];
    const away = Math.max(0, after.startedAt - after.finishedAt) / 1000;
    return [{ name, networks, policy, returns: "yes", awaySeconds: Number(away.toFixed(1)) }];
  });
}
