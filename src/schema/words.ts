/** What a TypeBox schema is once it is data. */
export interface SchemaData {
  type?: string;
  format?: string;
  pattern?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  examples?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  anyOf?: readonly SchemaData[];
  enum?: readonly unknown[];
  items?: SchemaData;
  properties?: Readonly<Record<string, SchemaData>>;
  required?: readonly string[];
  patternProperties?: Readonly<Record<string, SchemaData>>;
  secret?: boolean;
}

/** What the formats mean to who reads a reference. */
const formatWords: Readonly<Record<string, string>> = {
  cidr: "network, host bits clear",
  "interface-cidr": "address with its prefix",
  cidr6: "IPv6 network",
  "any-cidr": "network",
  "ipv4-address": "IPv4 address",
  "ipv6-address": "IPv6 address",
  "any-address": "address",
  "download-url": "http or https address",
  sha256: "SHA-256 checksum",
  "absolute-path": "absolute path",
};

/** What fits a schema, in a few words; `code` sets off what is to be typed as it stands. */
export function fittingWords(schema: SchemaData, code: (text: string) => string = (text) => text): string {
  const inner = (one: SchemaData) => fittingWords(one, code);
  const among = (choices: readonly unknown[]) => choices.map((c) => code(JSON.stringify(c))).join(" or ");
  if (schema.const !== undefined) return among([schema.const]);
  if (schema.enum) return among(schema.enum);
  if (schema.anyOf) return schema.anyOf.map(inner).join(" or ");
  if (schema.type === "array") return `list of: ${inner(schema.items ?? {})}`;
  if (schema.patternProperties) {
    return `map to: ${Object.values(schema.patternProperties).map(inner).join(" or ")}`;
  }
  if (schema.properties?.text && schema.properties.secrets) return `a script, ${code("sh`…`")}`;
  if (schema.properties) return `object with ${Object.keys(schema.properties).map(code).join(", ")}`;
  const format = schema.format && (formatWords[schema.format] ?? schema.format);
  const range = [
    schema.minimum === undefined ? "" : `from ${schema.minimum}`,
    schema.maximum === undefined ? "" : `to ${schema.maximum}`,
  ];
  const words = [schema.secret ? "secret" : "", format ?? schema.type ?? "anything", ...range];
  const pattern = schema.pattern === undefined ? "" : `, ${code(schema.pattern)}`;
  return words.filter(Boolean).join(" ") + pattern;
}
