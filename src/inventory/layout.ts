import { type TSchema, Type } from "typebox";
import { CausewayError, type Position, throwAll } from "../errors.ts";
import { nearest } from "../schema/nearest.ts";
import { type Path, validate } from "../schema/schema.ts";
import { expandRange } from "./ranges.ts";
import type { InventoryGroup, Variable } from "./types.ts";
import type { YamlDocument } from "./yaml-document.ts";

/** Groups and hosts of an inventory while its files are read. */
export interface Layout {
  groups: Map<string, InventoryGroup>;
  /** Host variables as the inventory files give them. */
  hosts: Map<string, { vars: Map<string, Variable>; at?: Position }>;
  lab?: { value: LabBlock; document: YamlDocument };
}

export interface LabBlock {
  name: string;
  subnet: string;
  image?: "bullseye" | "bookworm";
  mirror?: string;
  hosts: readonly string[];
}

const labBlock = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,30}$" }),
    subnet: Type.String({ format: "cidr" }),
    image: Type.Optional(Type.Union([Type.Literal("bullseye"), Type.Literal("bookworm")])),
    mirror: Type.Optional(Type.String()),
    hosts: Type.Array(Type.String(), { minItems: 1 }),
  },
  { additionalProperties: false },
);

export function emptyLayout(): Layout {
  const group = (name: string): InventoryGroup => ({
    name,
    hosts: new Set(),
    children: new Set(),
    vars: new Map(),
  });
  return {
    groups: new Map([
      ["all", group("all")],
      ["ungrouped", group("ungrouped")],
    ]),
    hosts: new Map(),
  };
}

/** Adds one YAML file in Ansible's layout. */
export function addDocument(layout: Layout, file: string, document: YamlDocument): void {
  const { value } = document;
  const at = document.locate([], false) ?? { file, line: 1, column: 1 };
  if (value === null || value === undefined)
    throw new CausewayError("inventory", `${file} is empty`, {
      at,
      expected: "groups with hosts:\nall:\n  hosts:\n    docker-200:",
    });
  if (!isMapping(value))
    throw new CausewayError("inventory", "the inventory is not a mapping of groups", {
      at,
      found: JSON.stringify(value).slice(0, 60),
      expected: "all:\n  hosts:\n    docker-200:",
      advice: "convert an INI inventory with: ansible-inventory -i FILE --list --yaml",
    });
  for (const [name, body] of Object.entries(value)) {
    if (name === "lab" && isMapping(body) && ("subnet" in body || "image" in body || "name" in body)) {
      throwAll(
        validate(labBlock, body, {
          code: "inventory",
          subject: "lab",
          locate: (path, onKey) => document.locate(["lab", ...path], onKey),
        }),
      );
      layout.lab = { value: body as unknown as LabBlock, document };
    } else addGroup(layout, document, [name], name, body);
  }
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const groupKeys = ["hosts", "children", "vars"];

function addGroup(layout: Layout, document: YamlDocument, path: Path, name: string, body: unknown): void {
  const group = layout.groups.get(name) ?? {
    name,
    hosts: new Set<string>(),
    children: new Set<string>(),
    vars: new Map<string, Variable>(),
  };
  layout.groups.set(name, group);
  const at = document.locate(path, true);
  if (at) group.at ??= at;
  if (body === null || body === undefined) return;
  const mapping = expectMapping(body, document, path, `group ${name}`, "hosts:, children: or vars:");
  for (const key of Object.keys(mapping)) {
    if (groupKeys.includes(key)) continue;
    const meant = nearest(key, groupKeys);
    const where = document.locate([...path, key], true);
    throw new CausewayError("inventory", `group ${name}: ${key} is not known here`, {
      ...(where ? { at: where } : {}),
      expected: "hosts, children or vars",
      advice: meant
        ? `did you mean ${meant}?`
        : `a host belongs under hosts:, a group under children:, a variable under vars:`,
    });
  }
  addHosts(layout, document, [...path, "hosts"], group, mapping.hosts);
  addVars(document, [...path, "vars"], group.vars, mapping.vars, `variables of group ${name}`);
  const children = mapping.children;
  if (children === null || children === undefined) return;
  for (const [child, childBody] of Object.entries(
    expectMapping(
      children,
      document,
      [...path, "children"],
      `children of ${name}`,
      "group names, each with a colon",
    ),
  )) {
    group.children.add(child);
    addGroup(layout, document, [...path, "children", child], child, childBody);
  }
}

function addHosts(
  layout: Layout,
  document: YamlDocument,
  path: Path,
  group: InventoryGroup,
  hosts: unknown,
): void {
  if (hosts === null || hosts === undefined) return;
  for (const [pattern, vars] of Object.entries(
    expectMapping(
      hosts,
      document,
      path,
      `hosts of ${group.name}`,
      "host names, each with a colon:\n  docker-200:",
    ),
  )) {
    const at = document.locate([...path, pattern], true);
    for (const name of expandRange(pattern, at)) {
      if (name === "" || /[\s=,:[\]]/.test(name)) throw notAName(pattern, at);
      const host = layout.hosts.get(name) ?? { vars: new Map<string, Variable>(), ...(at ? { at } : {}) };
      layout.hosts.set(name, host);
      group.hosts.add(name);
      addVars(document, [...path, pattern], host.vars, vars, `variables of ${name}`);
    }
  }
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

/** Adds a mapping of variables, each with its place. */
export function addVars(
  document: YamlDocument,
  path: Path,
  target: Map<string, Variable>,
  vars: unknown,
  subject: string,
): void {
  if (vars === null || vars === undefined) return;
  for (const [name, value] of Object.entries(
    expectMapping(vars, document, path, subject, "names with values"),
  )) {
    const at = document.locate([...path, name], false);
    target.set(name, { value, ...(at ? { at } : {}) });
  }
}

function expectMapping(
  value: unknown,
  document: YamlDocument,
  path: Path,
  subject: string,
  expected: string,
): Record<string, unknown> {
  if (isMapping(value)) return value;
  const at = document.locate(path, false);
  throw new CausewayError("inventory", `${subject}: this is not a mapping`, {
    ...(at ? { at } : {}),
    found: JSON.stringify(value).slice(0, 60),
    expected,
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

/** The schema of the lab block, for the reference page. */
export const labSchema: TSchema = labBlock;
