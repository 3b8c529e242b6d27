import { CausewayError, throwAll } from "../errors.ts";
import { select } from "../inventory/patterns.ts";
import { resolveVars, unknownExtraVars } from "../inventory/playbook-vars.ts";
import { refuseFaulty, refuseUnaddressed, remarkLines } from "../inventory/taking-part.ts";
import type { Inventory, InventoryHost, Remark, Variable } from "../inventory/types.ts";
import { without } from "../inventory/without.ts";
import type { Play, Playbook } from "../playbook/define.ts";
import { Fleet, type HostView } from "../playbook/fleet.ts";
import { withLeave } from "../playbook/leave.ts";
import { notYet } from "../thrown.ts";
import { parsePercentage, parseSerial } from "./batches.ts";
import { factsFor, unlearntBy } from "./learnt.ts";

/** A play whatever its variables and facts are. */
export type AnyPlay = Play<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;

export interface PrepareOptions {
  playbook: Playbook;
  inventory: Inventory;
  extraVars: ReadonlyMap<string, Variable>;
  limit?: string;
  /** Hosts that are taken out of the fleet: the playbook is for the others, as if the inventory did not name them. */
  leaving?: Leaving;
}

export interface Leaving {
  names: readonly string[];
  /** They are gone for good: what the others have of them is taken away, and they themselves are left as they are. */
  dead: boolean;
}

/** What is known of a run before its first connection. */
export interface Prepared {
  /** The hosts that the playbook names. */
  members: readonly InventoryHost[];
  /** Those of them that this run is about. */
  chosen: readonly InventoryHost[];
  /** Hosts of the playbook that leave the fleet. */
  leaving: readonly InventoryHost[];
  fleet: Fleet;
  /** Whom each play is for, whatever this run is limited to. */
  hostsOf: ReadonlyMap<AnyPlay, ReadonlySet<string>>;
  /** Who attends to the hosts of a play, of the plays that have such hosts. */
  attending: ReadonlyMap<AnyPlay, ReadonlySet<string>>;
  /** Filled in as hosts answer. */
  facts: Map<string, Record<string, unknown>>;
  /** The hosts whose facts are known. */
  reached: () => Pick<ReadonlySet<string>, "has">;
  /** What a person should know of the inventory before the run, a line each. */
  remarks: readonly string[];
}

/** Everything that is known before the first connection. Variables, patterns and the playbook's own check are validated here. */
export function prepare({
  playbook,
  inventory: whole,
  extraVars,
  limit,
  leaving: left,
}: PrepareOptions): Prepared {
  const names = new Set(left?.names);
  const inventory = left ? without(whole, names) : whole;
  const leaving = whole.hosts.filter((h) => names.has(h.name));
  const vars = withLeave(playbook.vars);
  throwAll(unknownExtraVars(vars, extraVars));
  for (const play of playbook.plays) {
    const { title, serial, throttle, maxFailPercentage } = play;
    if (play.around) refuseAroundAll(play);
    if (throttle !== undefined) refuseThrottle(title, throttle);
    if (serial !== undefined) parseSerial(serial, `play “${title}”: serial`);
    if (maxFailPercentage !== undefined)
      parsePercentage(maxFailPercentage, `play “${title}”: maxFailPercentage`);
  }
  const { hostsOf, attending, members } = membersOf(playbook, inventory);
  const within = limit === undefined ? undefined : new Set(select(inventory, limit, "--limit"));
  const chosen = within ? members.filter((h) => within.has(h)) : members;
  if (chosen.length === 0)
    throw new CausewayError("usage", `--limit ${limit} leaves no host of this playbook`, {
      expected: members.map((h) => h.name).join(", "),
    });
  for (const play of playbook.plays) refuseWithout(play, chosen, { hostsOf, attending }, limit);
  refuseFaulty([...chosen, ...(left?.dead ? [] : leaving)]);
  refuseUnaddressed(members);
  const facts = new Map<string, Record<string, unknown>>();
  const unlearnt = unlearntBy(playbook);
  const errors: CausewayError[] = [];
  const remarks: Remark[] = [];
  const views = members.map((host): HostView => {
    const resolved = resolveVars(vars, host);
    errors.push(...resolved.errors);
    remarks.push(...resolved.remarks);
    return {
      ...knownBy(host, resolved.vars),
      get facts() {
        const known = facts.get(host.name);
        if (!known) throw notYet;
        return factsFor(known, unlearnt, playbook);
      },
    };
  });
  throwAll(distinct(errors));
  const reached = () => facts;
  // What is wrong with the variables of a host that leaves is no reason to keep it.
  const gone = leaving.map((host) => ({
    ...knownBy(host, resolveVars(vars, host).vars),
    dead: left?.dead === true,
  }));
  const fleet = new Fleet(views, reached, gone);
  throwAll(distinct(playbook.check?.(fleet as never) ?? []));
  const told = remarkLines(inventory, chosen, remarks);
  return { members, chosen, leaving, fleet, hostsOf, attending, facts, reached, remarks: told };
}

/** Those of some hosts whom a play is for, in the order of its pattern, as Ansible takes them. */
export function inPlay<H extends { readonly name: string }>(
  play: AnyPlay,
  some: readonly H[],
  hostsOf: Prepared["hostsOf"],
): H[] {
  const byName = new Map(some.map((host) => [host.name, host]));
  return [...(hostsOf.get(play) ?? [])].flatMap((name) => byName.get(name) ?? []);
}

function refuseThrottle(title: string, throttle: number): void {
  if (Number.isInteger(throttle) && throttle > 0) return;
  throw new CausewayError("playbook", `play “${title}”: throttle is no number of hosts`, {
    found: String(throttle),
    expected: "a whole number, at least 1",
  });
}

/** All of a play's hosts are never to be out at once by chance. */
function refuseAroundAll({ title, serial, oneByOne, runOnce }: AnyPlay): void {
  if (!runOnce && (serial !== undefined || oneByOne !== undefined)) return;
  throw new CausewayError("playbook", `play “${title}”: around goes with batches`, {
    found: runOnce ? "runOnce" : "no serial: all its hosts would be out at once",
    expected: "serial beside it, such as serial: 1; with serial: 0 all hosts are one batch",
  });
}

/** Who is left out by a limit cannot take a host out. */
function refuseWithout(
  play: AnyPlay,
  chosen: readonly InventoryHost[],
  { hostsOf, attending }: Pick<Prepared, "hostsOf" | "attending">,
  limit = "",
): void {
  const names = new Set(chosen.map(({ name }) => name));
  const missing = [...(attending.get(play) ?? [])].filter((name) => !names.has(name));
  if (missing.length === 0 || inPlay(play, chosen, hostsOf).length === 0) return;
  throw new CausewayError("usage", `--limit ${limit} leaves out who attends to play “${play.title}”`, {
    found: missing.join(", "),
    expected: "the hosts that do something around its batches, too",
    advice: `--limit '${[limit, ...missing].join(":")}'`,
  });
}

/** The hosts that a playbook names, in the inventory's order, whom each of its plays is for, and who attends to these. */
export function membersOf(
  playbook: Playbook,
  inventory: Inventory,
): Pick<Prepared, "hostsOf" | "attending" | "members"> {
  const names = (hosts: readonly InventoryHost[]) => new Set(hosts.map((h) => h.name));
  const at = (title?: string) => playbook.whereIs?.("hosts", title);
  const hostsOf = new Map(
    playbook.plays.map((play): [AnyPlay, Set<string>] => [
      play,
      names(select(inventory, play.hosts, `play “${play.title}”: hosts`, "playbook", at(play.title))),
    ]),
  );
  const attending = new Map(
    playbook.plays.flatMap((play): [AnyPlay, Set<string>][] => {
      const { title, around } = play;
      if (!around) return [];
      return [
        [play, names(select(inventory, around.hosts, `play “${title}”: around`, "playbook", at(title)))],
      ];
    }),
  );
  const others = playbook.hosts ? select(inventory, playbook.hosts, "hosts", "playbook", at()) : [];
  const all = [...hostsOf.values(), ...attending.values()];
  const named = new Set([...all.flatMap((hosts) => [...hosts]), ...names(others)]);
  return { hostsOf, attending, members: inventory.hosts.filter((h) => named.has(h.name)) };
}

function knownBy(host: InventoryHost, vars: Record<string, unknown>): Omit<HostView, "facts"> {
  return {
    name: host.name,
    address: host.connection.address,
    groups: host.groups,
    vars,
    whereIs: (variable) => host.whereIs(variable),
    ...(host.at ? { at: host.at } : {}),
  };
}

/** What was prepared, with its hosts as another inventory reaches them: by the command line's user and the lab's keys. */
export function reachedThrough(inventory: Inventory, prepared: Prepared): Prepared {
  const hosts = new Map(inventory.hosts.map((h) => [h.name, h]));
  const reached = (some: readonly InventoryHost[]) => some.map((h) => hosts.get(h.name) ?? h);
  const { members, chosen, leaving } = prepared;
  return { ...prepared, members: reached(members), chosen: reached(chosen), leaving: reached(leaving) };
}

/** The same fault in a group's variable is one fault, not one a host. */
function distinct(errors: readonly CausewayError[]): CausewayError[] {
  const seen = new Set<string>();
  return errors.filter((error) => {
    const { at } = error.detail;
    const key = at
      ? `${error.message} ${at.file}:${at.line}:${at.column}`
      : `${error.message} ${error.detail.host}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
