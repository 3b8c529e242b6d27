import { CausewayError, type Position, throwAll } from "../errors.ts";
import { nearest } from "../schema/nearest.ts";
import { validate } from "../schema/schema.ts";
import { SealedValue } from "../vault/sealed-value.ts";
import { type LabBlock, labBlock } from "./lab-block.ts";
import { groupOf, hostsOf, type Layout } from "./layout.ts";
import type { InventoryGroup, Variable } from "./types.ts";
import type { YamlDocument, YamlEntry, YamlPart } from "./yaml-document.ts";

/** Adds one YAML file in Ansible's layout. */
export function addDocument(layout: Layout, file: string, document: YamlDocument): void {
  const { value } = document;
  const at = document.at() ?? { file, line: 1, column: 1 };
  if (value === null)
    throw new CausewayError("inventory", `${file} is empty`, {
      at,
      expected: "groups with hosts:\nall:\n  hosts:\n    docker-200:",
    });
  if (!isMapping(value))
    throw new CausewayError("inventory", "the inventory is not a mapping of groups", {
      at,
      found: JSON.stringify(value).slice(0, 60),
      expected: "all:\n  hosts:\n    docker-200:",
      ...(Array.isArray(value) && value.some((one) => isMapping(one) && "hosts" in one)
        ? { advice: "this looks like a playbook of Ansible; the inventory is the file with the hosts" }
        : {}),
    });
  if (typeof value.plugin === "string") throw pluginsAreNotRead(value.plugin, document);
  for (const entry of document.entries()) {
    if (isLab(entry)) addLab(layout, document, entry);
    else addGroup(layout, entry);
  }
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof SealedValue)
  );
}

function pluginsAreNotRead(plugin: string, document: YamlDocument): CausewayError {
  const at = document.locate(["plugin"], true);
  return new CausewayError("inventory", `the inventory plugin ${plugin} is not read`, {
    ...(at ? { at } : {}),
    expected: "hosts and groups in YAML or INI, or an executable script that prints them",
    advice: `a script can ask Ansible: #!/bin/sh, then exec ansible-inventory -i ${at?.file ?? "FILE"} --list`,
  });
}

function isLab({ key, part: { value } }: YamlEntry): boolean {
  return key === "lab" && isMapping(value) && ("subnet" in value || "image" in value || "name" in value);
}

function addLab(layout: Layout, document: YamlDocument, { part }: YamlEntry): void {
  const locate = (path: readonly (string | number)[], onKey: boolean) =>
    document.locate(["lab", ...path], onKey);
  throwAll(validate(labBlock, part.value, { code: "inventory", subject: "lab", locate }));
  layout.lab = { value: part.value as LabBlock, document };
}

const groupKeys = ["hosts", "children", "vars"];

/** Adds a group; its keys count in the order in which they are written, which is that of its hosts. */
function addGroup(layout: Layout, entry: YamlEntry): InventoryGroup {
  const { key: name, part } = entry;
  const at = entry.keyAt();
  if (!entry.isText) throw keyIsNoText("a group's name", name, at);
  const group = groupOf(layout, name, at);
  for (const below of entriesOf(part, at, `group ${name}`, "hosts:, children: or vars:")) {
    const where = below.part.at() ?? below.keyAt();
    if (below.key === "vars")
      addVars(group.vars, textAsKey(below, where), where, `variables of group ${name}`);
    else if (below.key === "children") {
      const expected = "group names, each with a colon";
      for (const child of entriesOf(textAsKey(below, where), where, `children of ${name}`, expected))
        group.children.add(addGroup(layout, child).name);
    } else if (below.key === "hosts") {
      const expected = "host names, each with a colon:\n  docker-200:";
      for (const host of entriesOf(textAsKey(below, where), where, `hosts of ${name}`, expected))
        addHosts(layout, group, host);
    } else throw keyIsNoGroups(name, below);
  }
  return group;
}

/** Text where a mapping is meant is its only key, as in Ansible: `hosts: web1`. */
function textAsKey({ part }: YamlEntry, at: Position | undefined): YamlPart {
  const { value } = part;
  if (typeof value !== "string") return part;
  const nothing = { value: null, at: part.at, entries: () => [], items: () => [], unread: () => undefined };
  const entry = { key: value, isText: true, part: nothing, keyAt: () => at };
  return { ...nothing, value: { [value]: null }, entries: () => [entry] };
}

function addHosts(layout: Layout, group: InventoryGroup, entry: YamlEntry): void {
  const at = entry.keyAt();
  if (!entry.isText) throw keyIsNoText("a host's name", entry.key, at);
  for (const { vars } of hostsOf(layout, entry.key, group, at))
    addVars(vars, entry.part, at, `variables of ${entry.key}`);
}

function keyIsNoText(what: string, found: string, at: Position | undefined): CausewayError {
  return new CausewayError("inventory", `${what} has to be a text`, {
    ...(at ? { at } : {}),
    found: `${found}, as YAML reads it`,
    advice: "put it in quotes",
  });
}

function keyIsNoGroups(group: string, { key, keyAt }: YamlEntry): CausewayError {
  const meant = nearest(key, groupKeys);
  const at = keyAt();
  return new CausewayError("inventory", `group ${group}: ${key} is not known here`, {
    ...(at ? { at } : {}),
    expected: "hosts, children or vars",
    advice: meant
      ? `did you mean ${meant}?`
      : "a host belongs under hosts:, a group under children:, a variable under vars:",
  });
}

/** Adds a mapping of variables, each with its place. */
export function addVars(
  target: Map<string, Variable>,
  part: YamlPart,
  at: Position | undefined,
  subject: string,
): void {
  for (const entry of entriesOf(part, at, subject, "names with values")) {
    const where = entry.part.at() ?? entry.keyAt();
    const unread = entry.part.unread();
    target.set(entry.key, {
      value: entry.part.value,
      ...(where ? { at: where } : {}),
      ...(unread ? { unread } : {}),
    });
  }
}

/** The entries of a mapping; none of nothing. Anything else is an error. */
function entriesOf(
  part: YamlPart,
  at: Position | undefined,
  subject: string,
  expected: string,
): readonly YamlEntry[] {
  if (part.value === null) return [];
  if (isMapping(part.value)) return part.entries();
  const where = part.at() ?? at;
  throw new CausewayError("inventory", `${subject}: this is not a mapping`, {
    ...(where ? { at: where } : {}),
    found: JSON.stringify(part.value).slice(0, 60),
    expected,
  });
}
