import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";

const file = new URL("../../docs/events.schema.json", import.meta.url);

let validate: ValidateFunction | undefined;

/** An event that the published schema does not describe, as JSON; here a field that it does not name is a fault as well. */
export function misfits(event: unknown): string[] {
  validate ??= new Ajv({ strict: true, allowUnionTypes: true }).compile(
    closed(JSON.parse(readFileSync(file, "utf8"))),
  );
  return validate(event) ? [] : [JSON.stringify(event)];
}

function closed<T>(node: T): T {
  if (typeof node !== "object" || node === null) return node;
  if (Array.isArray(node)) return node.map(closed) as T;
  const all = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  const isClosed = all.type === "object" && "required" in all;
  return { ...all, ...(isClosed ? { additionalProperties: false } : {}) } as T;
}
