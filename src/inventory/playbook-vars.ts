import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { TObject } from "typebox";
import { CausewayError } from "../errors.ts";
import { packageDir } from "../package-dir.ts";
import { nearest } from "../schema/nearest.ts";
import { coerce, validate, withDefaults } from "../schema/schema.ts";
import type { InventoryHost, Remark, Variable } from "./types.ts";
import { askedUnread } from "./unread.ts";

/** A playbook's variables for one host: typed, with defaults; or everything that is wrong with them. */
export interface ResolvedVars {
  vars: Record<string, unknown>;
  errors: CausewayError[];
  remarks: Remark[];
}

export function resolveVars(schema: TObject, host: InventoryHost): ResolvedVars {
  const given: Record<string, unknown> = {};
  const errors: CausewayError[] = [];
  for (const [name, property] of Object.entries(schema.properties)) {
    if (host.vars[name] === undefined) continue;
    const unread = host.unread(name);
    if (unread) errors.push(askedUnread("variables", name, unread, host.name));
    given[name] = isLocalPath(property)
      ? besideItsWriter(String(host.vars[name]), host.whereIs(name)?.file)
      : coerce(property, host.vars[name]);
  }
  const { errors: misspelt, remarks } = misspeltVars(schema, host, given);
  errors.push(...misspelt);
  const vars = withDefaults(schema, given);
  const found = validate(schema, vars, {
    code: "variables",
    subject: "variables",
    host: host.name,
    locate: (path) => host.whereIs(String(path[0])) ?? (path.length > 0 ? host.at : undefined),
  });
  // What is missing because it was misspelt, or does not fit because it was not read, is said once.
  const said = (e: CausewayError) =>
    errors.length > 0 && (/ is missing$/.test(e.message) || isAboutUnread(e, host));
  return { vars, errors: [...errors, ...found.filter((e) => !said(e))], remarks };
}

function isAboutUnread({ message }: CausewayError, host: InventoryHost): boolean {
  const [, name = ""] = /^variables: (\w+)/.exec(message) ?? [];
  return host.unread(name) !== undefined;
}

/** Variables that are nobody's and look like one that is not set: an error where that one has to be set, else a remark. */
function misspeltVars(
  schema: TObject,
  host: InventoryHost,
  given: Readonly<Record<string, unknown>>,
): Pick<ResolvedVars, "errors" | "remarks"> {
  const errors: CausewayError[] = [];
  const remarks: Remark[] = [];
  const unset = Object.keys(schema.properties).filter((key) => given[key] === undefined);
  const needed = (key: string) =>
    (schema.required ?? []).includes(key) && !("default" in (schema.properties[key] ?? {}));
  for (const name of Object.keys(host.vars)) {
    if (name in schema.properties || name.startsWith("ansible_")) continue;
    const meant = nearest(name, unset, name.length > 4 ? 2 : 1);
    if (!meant) continue;
    const at = host.whereIs(name);
    const place = at ? { at } : {};
    const advice = `did you mean ${meant}? No variable of this playbook is called ${name}`;
    if (needed(meant))
      errors.push(
        new CausewayError("variables", `${name} looks misspelt`, { host: host.name, ...place, advice }),
      );
    else remarks.push({ text: `${name} looks misspelt: ${advice}`, ...place });
  }
  return { errors, remarks };
}

function isLocalPath(property: object): boolean {
  return "localPath" in property && property.localPath === true;
}

/** A path is meant from the file in which it is written; what is not there may lie in this package. */
function besideItsWriter(path: string, writtenIn = ""): string {
  const there = resolve(existsSync(writtenIn) ? dirname(writtenIn) : ".", path);
  const own = resolve(packageDir, path);
  return !existsSync(there) && existsSync(own) ? own : there;
}

/** `-e` variables that the playbook does not have. */
export function unknownExtraVars(schema: TObject, extraVars: ReadonlyMap<string, Variable>): CausewayError[] {
  const known = Object.keys(schema.properties);
  return [...extraVars].flatMap(([name, { at }]) => {
    if (known.includes(name) || name.startsWith("ansible_")) return [];
    const meant = nearest(name, known);
    return [
      new CausewayError("variables", `-e ${name}: this playbook has no such variable`, {
        ...(at ? { at } : {}),
        expected: `one of ${known.join(", ")}`,
        ...(meant ? { advice: `did you mean ${meant}?` } : {}),
      }),
    ];
  });
}
