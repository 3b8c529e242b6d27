import type { TObject } from "typebox";
import type { SchemaData } from "../schema/words.ts";
import { connectionSchema } from "./connection.ts";
import { labBlock } from "./lab-block.ts";

/**
 * Texts that a format takes, as a regular expression: it refuses nothing that the format takes. What more a format asks, such as
 * clear host bits, is found by `--syntax-check`.
 */
const patterns: Readonly<Record<string, string>> = {
  cidr: String.raw`^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$`,
  "interface-cidr": String.raw`^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$`,
  "ipv4-address": String.raw`^\d{1,3}(\.\d{1,3}){3}$`,
  "download-url": "^https?://",
  sha256: "^[0-9a-f]{64}$",
  "absolute-path": "^/",
};

/** Texts that are taken for a value of another type, as `-e` and INI write them. */
const asText: Readonly<Record<string, string>> = {
  integer: String.raw`^-?\d+$`,
  number: String.raw`^-?\d+(\.\d+)?$`,
  boolean: "^([Tt]rue|TRUE|[Yy]es|YES|[Oo]n|ON|[Ff]alse|FALSE|[Nn]o|NO|[Oo]ff|OFF)$",
  array: String.raw`^\[`,
  object: String.raw`^\{`,
};

/** A value of Ansible Vault's, whose tag an editor does not know. */
const vaultedText = String.raw`^\$ANSIBLE_VAULT;`;

/** A JSON Schema of draft 7, which editors read. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The schema of a file of variables, as in group_vars and host_vars: those of the playbook and of connections are checked, and all
 * others are left alone, for they may be another playbook's. None has to be there: it may be given elsewhere.
 */
export function varsSchema(vars: TObject, playbook: string): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `Variables of ${playbook}`,
    ...varsOf(vars),
  };
}

/** The schema of an inventory in YAML whose hosts have these variables: groups with `hosts`, `children` and `vars`. */
export function inventorySchema(vars: TObject, playbook: string): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `Inventory for ${playbook}`,
    type: "object",
    properties: { lab: { anyOf: [editable(labBlock as SchemaData), ref("group")] } },
    additionalProperties: ref("group"),
    definitions: {
      vars: varsOf(vars),
      group: {
        type: ["object", "null"],
        additionalProperties: false,
        properties: {
          hosts: named("hosts, each with its variables", "vars"),
          children: named("groups below this one", "group"),
          vars: { description: "variables of all its hosts", anyOf: [{ type: "null" }, ref("vars")] },
        },
      },
    },
  };
}

const ref = (definition: string) => ({ $ref: `#/definitions/${definition}` });

/** A mapping from names to what each has, if anything; or the only name, as a text. */
function named(description: string, definition: string): object {
  const each = { anyOf: [{ type: "null" }, ref(definition)] };
  return { description, type: ["object", "string", "null"], additionalProperties: each };
}

function varsOf({ properties }: TObject): object {
  const connection = Object.entries(connectionSchema.properties as Record<string, SchemaData>);
  const own = Object.entries(properties as Record<string, SchemaData>);
  const entries = [
    ...connection.map(([name, schema]) => [name, connectionVariable(schema)]),
    ...own.map(([name, schema]) => [name, variable(schema)]),
  ];
  return { type: "object", properties: Object.fromEntries(entries) };
}

/** A password of digits alone is a number in YAML, and taken for its digits. */
function connectionVariable(schema: SchemaData): object {
  return schema.type === "string" ? { ...editable(schema), type: ["string", "number"] } : variable(schema);
}

/** What an editor takes for a variable: its value, a text that is taken for one, or a vault. */
function variable(schema: SchemaData): object {
  const { description, default: fallback, ...rest } = schema;
  const value = editable(rest);
  const texts = {
    type: "string",
    pattern: [asText[schema.type ?? ""], vaultedText].filter(Boolean).join("|"),
  };
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [value, texts],
  };
}

/** The schema without what is causeway's own: formats are patterns, and no word says what is secret. */
function editable(schema: SchemaData): JsonSchema {
  const { format, secret: _, anyOf, items, properties, patternProperties, ...rest } = schema;
  const { localPath: __, ...plain } = rest as Record<string, unknown>;
  const within = (all: Readonly<Record<string, SchemaData>>) =>
    Object.fromEntries(Object.entries(all).map(([name, one]) => [name, editable(one)]));
  return {
    ...plain,
    ...(format === undefined ? {} : { pattern: patterns[format] ?? "" }),
    ...(anyOf ? { anyOf: anyOf.map(editable) } : {}),
    ...(items ? { items: editable(items) } : {}),
    ...(properties ? { properties: within(properties) } : {}),
    ...(patternProperties ? { patternProperties: within(patternProperties) } : {}),
  };
}
