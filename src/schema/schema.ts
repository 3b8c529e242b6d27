import { createRequire } from "node:module";
import type { Ajv as AjvClass, ErrorObject, ValidateFunction } from "ajv";
import type { TSchema } from "typebox";
import { CausewayError, type ErrorCode, type Position } from "../errors.ts";
import { formats } from "./formats.ts";
import { nearest } from "./nearest.ts";

export type Path = readonly (string | number)[];

export interface Context {
  code: ErrorCode;
  /** What is being checked: `variables of docker-200`. */
  subject: string;
  /** Where a path was written, if it was written in a file; with `onKey`, the key rather than its value. */
  locate?: (path: Path, onKey: boolean) => Position | undefined;
  host?: string;
}

let ajv: AjvClass | undefined;
const compiled = new WeakMap<TSchema, ValidateFunction>();

/** Loaded with the first value that is checked, not before. */
function validator(schema: TSchema): ValidateFunction {
  let validate = compiled.get(schema);
  if (!validate) {
    if (!ajv) {
      const { Ajv } = createRequire(import.meta.url)("ajv") as typeof import("ajv");
      // Schemas are made by TypeBox: to compile ajv's own schema of schemas first would take longer than all of them.
      ajv = new Ajv({
        allErrors: true,
        verbose: true,
        strict: false,
        meta: false,
        validateSchema: false,
        code: { optimize: false },
      });
      for (const [name, check] of Object.entries(formats))
        ajv.addFormat(name, { type: "string", validate: (t: string) => check(t) === undefined });
    }
    validate = ajv.compile(schema);
    compiled.set(schema, validate);
  }
  return validate;
}

/** Checks a value against its schema. Every fault says what was found and what would be right; none is ajv's jargon. */
export function validate(schema: TSchema, value: unknown, context: Context): CausewayError[] {
  const check = validator(schema);
  if (check(value)) return [];
  const errors = check.errors ?? [];
  // A union that fails has one error a branch; the union's own says it all.
  const unions = errors.filter((e) => ["anyOf", "oneOf"].includes(e.keyword)).map((e) => e.schemaPath);
  return errors
    .filter((e) => !unions.some((u) => e.schemaPath !== u && e.schemaPath.startsWith(u)))
    .map((e) => explain(schema, e, context));
}

function explain(schema: TSchema, error: ErrorObject, context: Context): CausewayError {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const secret = isSecret(schema, error);
  const { key, onKey, message, expected, advice } = wordsFor(error);
  const whole = key === undefined ? path : [...path, key];
  const at = context.locate?.(whole, onKey) ?? context.locate?.(path, false);
  const name = whole.join(".");
  return new CausewayError(context.code, `${context.subject}: ${message.replace("%", name || "the value")}`, {
    ...(at ? { at } : {}),
    ...(context.host ? { host: context.host } : {}),
    ...(key !== undefined ? {} : { found: secret ? "(secret)" : show(error.data) }),
    ...(expected ? { expected } : {}),
    ...(advice ? { advice } : {}),
  });
}

/** Whether a value is marked as secret itself, lies in one that is, or holds one. */
function isSecret(schema: TSchema, { schemaPath, parentSchema }: ErrorObject): boolean {
  let node: unknown = schema;
  for (const part of schemaPath.split("/").slice(1)) {
    if ((node as { secret?: unknown } | undefined)?.secret === true) return true;
    node = (node as Record<string, unknown> | undefined)?.[decodeURIComponent(part)];
  }
  return JSON.stringify(parentSchema ?? {}).includes('"secret":true');
}

interface WordsForError {
  key?: string;
  onKey: boolean;
  message: string;
  expected?: string;
  advice?: string;
}

function wordsFor(error: ErrorObject): WordsForError {
  const { keyword, params, parentSchema = {} } = error;
  switch (keyword) {
    case "additionalProperties": {
      const key = String(params.additionalProperty);
      const known = Object.keys((parentSchema.properties as object | undefined) ?? {});
      const meant = nearest(key, known);
      const expected = known.length > 0 ? `one of ${known.join(", ")}` : "no keys at all";
      return {
        key,
        onKey: true,
        message: "% is not known here",
        expected,
        ...(meant ? { advice: `did you mean ${meant}?` } : {}),
      };
    }
    case "required": {
      const key = String(params.missingProperty);
      const properties = parentSchema.properties as Record<string, Property | undefined> | undefined;
      return { key, onKey: false, message: "% is missing", expected: whatFits(properties?.[key]) };
    }
    case "format": {
      const misfit = formats[String(params.format)]?.(String(error.data));
      return {
        onKey: false,
        message: "% is not valid",
        expected: misfit?.expected ?? String(params.format),
        ...(misfit?.advice ? { advice: misfit.advice } : {}),
      };
    }
    case "type":
      return { onKey: false, message: "% has the wrong type", expected: typeWords(params.type) };
    case "const":
    case "enum":
      return {
        onKey: false,
        message: "% is not an allowed value",
        expected: show(params.allowedValues ?? params.allowedValue),
      };
    case "oneOf":
    case "anyOf": {
      const alternatives = alternativesIn(parentSchema[keyword]);
      if (alternatives) return { onKey: false, ...alternativeWords(keyword, alternatives) };
      const branches = (parentSchema.anyOf ?? []) as { const?: unknown; type?: string; format?: string }[];
      const words = branches.map((b) =>
        b.const === undefined ? typeWords(b.type ?? b.format) : show(b.const),
      );
      const meant =
        typeof error.data === "string"
          ? nearest(
              error.data,
              branches.map((b) => String(b.const)),
            )
          : undefined;
      return {
        onKey: false,
        message: "% is not an allowed value",
        expected: words.join(" or "),
        ...(meant ? { advice: `did you mean ${meant}?` } : {}),
      };
    }
    default:
      return { onKey: false, message: "% is not valid", expected: limitWords(error) };
  }
}

/** The keys of a mapping of which one has to be there, where a union says that and nothing else. */
function alternativesIn(branches: unknown): string[] | undefined {
  const keys = (branches as { required?: readonly string[] }[]).map(({ required }) =>
    required?.join(" with "),
  );
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

function alternativeWords(keyword: string, keys: readonly string[]) {
  const many = keyword === "oneOf" ? "exactly one" : "at least one";
  return { message: `% needs ${many} of ${keys.join(", ")}`, expected: `${many} of these keys` };
}

interface Property {
  description?: string;
  format?: string;
  type?: string;
}

function whatFits({ description, format, type }: Property = {}): string {
  return description ?? formats[format ?? ""]?.("")?.expected ?? (type ? typeWords(type) : "a value");
}

function limitWords({ keyword, params, message }: ErrorObject): string {
  switch (keyword) {
    case "minimum":
      return `at least ${params.limit}`;
    case "maximum":
      return `at most ${params.limit}`;
    case "minItems":
      return `a list of at least ${params.limit}`;
    case "maxItems":
      return `a list of at most ${params.limit}`;
    case "minLength":
      return `a text of at least ${params.limit} characters`;
    case "maxLength":
      return `a text of at most ${params.limit} characters`;
    case "pattern":
      return `a text that matches ${params.pattern}`;
    default:
      return message ?? keyword;
  }
}

function typeWords(type: unknown): string {
  const words: Record<string, string> = {
    string: "a text",
    integer: "a whole number",
    number: "a number",
    boolean: "true or false",
    array: "a list",
    object: "a mapping of keys to values",
    null: "nothing",
  };
  return String(type)
    .split(",")
    .map((t) => words[t] ?? t)
    .join(" or ");
}

function show(value: unknown): string {
  // What stands between // and @ in an address may be a password, wanted there or not.
  const text = (JSON.stringify(value) ?? String(value)).replaceAll(/\/\/[^/\s"]*@/g, "//********@");
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The value with the defaults of the schema's own properties filled in. */
export function withDefaults(
  schema: TSchema,
  value: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const properties = (schema as { properties?: Record<string, { default?: unknown }> }).properties ?? {};
  const filled: Record<string, unknown> = { ...value };
  for (const [key, property] of Object.entries(properties)) {
    if (filled[key] === undefined && property.default !== undefined) filled[key] = property.default;
    if (filled[key] === undefined) delete filled[key];
  }
  return filled;
}

/** A text from the command line as the type that its schema asks for; a text that does not fit stays one. */
export function coerce(schema: TSchema | undefined, value: unknown): unknown {
  if (typeof value !== "string" || !schema) return value;
  const type = (schema as { type?: string }).type;
  if ((type === "integer" || type === "number") && /^-?\d+(\.\d+)?$/.test(value)) {
    // One that JavaScript would round is not the number that was written.
    return value.includes(".") || Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (type === "boolean" && /^(true|yes|on)$/i.test(value)) return true;
  if (type === "boolean" && /^(false|no|off)$/i.test(value)) return false;
  if ((type === "array" || type === "object") && /^[[{]/.test(value)) return tryJson(value);
  return value;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
