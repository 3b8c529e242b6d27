import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { TObject } from "typebox";
import { CausewayError } from "../errors.ts";
import { packageDir } from "../package-dir.ts";
import { nearest } from "../schema/nearest.ts";
import { coerce, validate, withDefaults } from "../schema/schema.ts";
import { neverShow } from "../vault/never-shown.ts";
import { opened } from "../vault/sealed-value.ts";
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
  const unusable = new Set<string>();
  for (const [name, property] of Object.entries(schema.properties)) {
    if (host.vars[name] === undefined) continue;
    const value = usable(host, name);
    if (value instanceof CausewayError) {
      errors.push(value);
      unusable.add(name);
      given[name] = host.vars[name];
      continue;
    }
    given[name] = isLocalPath(property)
      ? besideItsWriter(String(value), host.whereIs(name)?.file)
      : coerce(property, value);
    if ("secret" in property && property.secret === true) neverShow(given[name]);
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
    errors.length > 0 && (/ is missing$/.test(e.message) || unusable.has(variableOf(e)));
  const told = found.filter((e) => !said(e)).map((e) => withoutSecret(e, host));
  return { vars, errors: [...errors, ...told], remarks };
}

/** The value, with its vaults opened; or why there is none. */
function usable(host: InventoryHost, name: string): unknown {
  const unread = host.unread(name);
  if (unread?.what === "template") return askedUnread("variables", name, unread, host.name);
  try {
    return opened(host.vars[name], name);
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    return new CausewayError(error.code, error.message, { ...error.detail, host: host.name });
  }
}

/** What does not fit is not shown where it is a secret. */
function withoutSecret(error: CausewayError, host: InventoryHost): CausewayError {
  if (!host.isSecret(variableOf(error))) return error;
  return new CausewayError(error.code, error.message, { ...error.detail, found: "(secret)" });
}

function variableOf({ message }: CausewayError): string {
  return /^variables: (\w+)/.exec(message)?.[1] ?? "";
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
