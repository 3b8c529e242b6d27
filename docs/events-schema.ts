/** Makes docs/events.schema.json out of the type that the reporter writes, so that neither can say something else. */
import { fileURLToPath } from "node:url";
import ts from "typescript";

type Schema = Record<string, unknown>;

const file = fileURLToPath(new URL("../src/report/json-event.ts", import.meta.url));

/** The schema of an event, as the file has it. What it does not name is allowed: new fields may come. */
export function eventsSchema(): string {
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    exactOptionalPropertyTypes: true,
    types: ["node"],
  });
  const source = program.getSourceFile(file);
  const events = source?.statements.find((s) => ts.isTypeAliasDeclaration(s) && s.name.text === "JsonEvent");
  if (!events) throw new Error(`${file} has no type JsonEvent`);
  const writer = new Writer(program.getTypeChecker(), events);
  const { anyOf } = writer.schemaOf(writer.checker.getTypeAtLocation(events));
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "An event of a run, as causeway writes it with --output json: one a line",
    anyOf,
    definitions: writer.definitions,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

class Writer {
  readonly definitions: Record<string, Schema> = {};
  readonly checker: ts.TypeChecker;
  readonly #node: ts.Node;

  constructor(checker: ts.TypeChecker, node: ts.Node) {
    [this.checker, this.#node] = [checker, node];
  }

  schemaOf(type: ts.Type): Schema {
    // An error may hold errors: what refers to itself needs a name.
    if (type.aliasSymbol?.name !== "JsonError") return this.#structure(type);
    const { name } = type.aliasSymbol;
    if (!(name in this.definitions)) {
      this.definitions[name] = {};
      this.definitions[name] = this.#structure(type);
    }
    return { $ref: `#/definitions/${name}` };
  }

  #structure(type: ts.Type): Schema {
    if (type.isUnion()) return this.#union(type.types);
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (type.flags & ts.TypeFlags.BooleanLiteral)
      return { const: this.checker.typeToString(type) === "true" };
    if (type.flags & ts.TypeFlags.String) return { type: "string" };
    if (type.flags & ts.TypeFlags.Number) return { type: "number" };
    if (type.flags & ts.TypeFlags.Null) return { type: "null" };
    const element =
      this.checker.isArrayLikeType(type) && this.checker.getIndexTypeOfType(type, ts.IndexKind.Number);
    if (element) return { type: "array", items: this.schemaOf(element) };
    const values = this.checker.getIndexTypeOfType(type, ts.IndexKind.String);
    if (values) return { type: "object", additionalProperties: this.schemaOf(values) };
    if (type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return this.#object(type);
    throw new Error(`no JSON has a ${this.checker.typeToString(type)}`);
  }

  #union(types: readonly ts.Type[]): Schema {
    const some = types.filter((type) => !(type.flags & ts.TypeFlags.Undefined));
    if (some.every((type) => type.flags & ts.TypeFlags.BooleanLiteral)) return { type: "boolean" };
    if (some.every((type) => type.isStringLiteral()))
      return { enum: some.map((type) => (type as ts.StringLiteralType).value) };
    const [only, ...others] = some.map((type) => this.schemaOf(type));
    return only && others.length === 0 ? only : { anyOf: [only, ...others] };
  }

  #object(type: ts.Type): Schema {
    const properties = this.checker.getPropertiesOfType(type);
    const entries = properties.map((property) => {
      const description = ts.displayPartsToString(property.getDocumentationComment(this.checker));
      const schema = this.schemaOf(this.checker.getTypeOfSymbolAtLocation(property, this.#node));
      return [
        property.name,
        description === "" || "$ref" in schema ? schema : { description, ...schema },
      ] as const;
    });
    const required = properties.filter((p) => !(p.flags & ts.SymbolFlags.Optional)).map(({ name }) => name);
    return { type: "object", required, properties: Object.fromEntries(entries) };
  }
}
