import { CausewayError, type Position } from "../errors.ts";
import { isHostName, splitPort } from "./host-names.ts";
import type { LabBlock } from "./lab-block.ts";
import { expandRange } from "./ranges.ts";
import type { InventoryGroup, Remark, Variable } from "./types.ts";
import type { YamlDocument } from "./yaml-document.ts";

/** Groups and hosts of an inventory while its files are read. */
export interface Layout {
  groups: Map<string, InventoryGroup>;
  /** Host variables as the inventory files give them. */
  hosts: Map<string, LayoutHost>;
  remarks: Remark[];
  lab?: { value: LabBlock; document: YamlDocument };
}

export interface LayoutHost {
  vars: Map<string, Variable>;
  at?: Position;
}

export function emptyLayout(): Layout {
  const layout: Layout = { groups: new Map(), hosts: new Map(), remarks: [] };
  groupOf(layout, "all").children.add("ungrouped");
  groupOf(layout, "ungrouped");
  return layout;
}

/** A group by its name; the first mention makes it. */
export function groupOf(layout: Layout, name: string, at?: Position): InventoryGroup {
  const group = layout.groups.get(name) ?? {
    name,
    hosts: new Set<string>(),
    children: new Set<string>(),
    vars: new Map<string, Variable>(),
  };
  layout.groups.set(name, group);
  if (at) group.at ??= at;
  return group;
}

/** A host by its name, as one of a group. A port behind its name counts where the host is first named, as in Ansible. */
export function hostOf(
  layout: Layout,
  name: string,
  group: InventoryGroup,
  { at, port }: { at?: Position | undefined; port?: number | undefined } = {},
): LayoutHost {
  let host = layout.hosts.get(name);
  if (!host) {
    host = { vars: new Map(), ...(at ? { at } : {}) };
    if (port !== undefined) host.vars.set("ansible_port", { value: port, ...(at ? { at } : {}) });
    layout.hosts.set(name, host);
  }
  group.hosts.add(name);
  return host;
}

/** The hosts that a name with ranges and a port means, as ones of a group. */
export function hostsOf(
  layout: Layout,
  written: string,
  group: InventoryGroup,
  at: Position | undefined,
): LayoutHost[] {
  const { name: pattern, port } = splitPort(written);
  return expandRange(pattern, at).map((name) => {
    if (name === "" || (/[\s=,:[\]]/.test(name) && !isHostName(name))) throw notAName(written, at);
    return hostOf(layout, name, group, { at, port });
  });
}

function notAName(found: string, at: Position | undefined): CausewayError {
  return new CausewayError("inventory", `${JSON.stringify(found)} is not a host's name`, {
    ...(at ? { at } : {}),
    expected: "a name such as docker-200, or a range such as docker-[200:202]",
    ...(/\s|=/.test(found)
      ? { advice: "variables go below the name, one a line: ansible_host: 10.0.0.200" }
      : {}),
  });
}

/** Children that form a loop are an error that shows the loop. */
export function refuseCycles(groups: ReadonlyMap<string, InventoryGroup>): void {
  const done = new Set<string>();
  const visit = (name: string, above: readonly string[]): void => {
    const group = groups.get(name);
    if (above.includes(name)) {
      const loop = [...above.slice(above.indexOf(name)), name].join(" → ");
      throw new CausewayError("inventory", `the children of ${name} form a loop`, {
        ...(group?.at ? { at: group.at } : {}),
        found: loop,
        advice: "remove one of them from the other's children:",
      });
    }
    if (done.has(name)) return;
    for (const child of group?.children ?? []) visit(child, [...above, name]);
    done.add(name);
  };
  for (const name of groups.keys()) visit(name, []);
}

/** What every inventory has once it is read: a group of no other is below `all`, a host of no other group is in `ungrouped`. */
export function completeGroups({ groups, hosts, remarks }: Layout): void {
  refuseCycles(groups);
  const [all, ungrouped] = [groups.get("all"), groups.get("ungrouped")];
  const below = new Set([...groups.values()].flatMap(({ children }) => [...children]));
  for (const name of groups.keys()) if (name !== "all" && !below.has(name)) all?.children.add(name);
  const grouped = new Set<string>();
  for (const { name, hosts: own } of groups.values())
    if (name !== "all" && name !== "ungrouped") for (const host of own) grouped.add(host);
  for (const name of hosts.keys())
    if (grouped.has(name)) ungrouped?.hosts.delete(name);
    else ungrouped?.hosts.add(name);
  for (const name of groups.keys()) if (hosts.has(name)) remarks.push(bothAtOnce(name, groups.get(name)?.at));
}

function bothAtOnce(name: string, at: Position | undefined): Remark {
  return {
    text: `${name} is a group and a host: as a pattern it is the host alone, behind ! and & the group`,
    ...(at ? { at } : {}),
  };
}
