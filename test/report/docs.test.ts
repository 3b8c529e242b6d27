import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const here = (path: string) => new URL(`../../${path}`, import.meta.url);
const docs = readFileSync(here("docs/json-events.md"), "utf8");
const sections = new Map(
  docs
    .split(/^## /m)
    .slice(1)
    .map((section) => [(section.split("\n")[0] ?? "").replaceAll("`", ""), section] as const),
);

const fieldsOf = (node: { members: ts.NodeArray<ts.TypeElement> }) =>
  node.members.map((member) => (member.name as ts.Identifier).text);

/** The declarations of a source file: its interfaces' fields, and the members of RunEvent by their type. */
function declared(path: string) {
  const source = ts.createSourceFile(path, readFileSync(here(path), "utf8"), ts.ScriptTarget.Latest, true);
  const interfaces = new Map<string, readonly string[]>();
  const events = new Map<string, readonly string[]>();
  const visit = (node: ts.Node) => {
    if (ts.isInterfaceDeclaration(node)) interfaces.set(node.name.text, fieldsOf(node));
    const type = ts.isTypeLiteralNode(node) && /\btype: "(\w+)"/.exec(node.getText())?.[1];
    if (type) events.set(type, fieldsOf(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { interfaces, events };
}

const { events } = declared("src/run/events.ts");
const interfaces = new Map(
  ["src/run/events.ts", "src/run/container-words.ts", "src/task/matrix.ts", "src/task/shown-step.ts"].flatMap(
    (path) => [...declared(path).interfaces],
  ),
);
const details = declared("src/errors.ts").interfaces;

describe("docs/json-events.md", () => {
  it("has a section for each type of event, and no other", () => {
    expect(events.size).toBeGreaterThan(10);
    const documented = [...docs.matchAll(/^## `(\w+)`$/gm)].map(([, type]) => type);
    expect(documented.sort()).toEqual([...events.keys()].sort());
  });

  it.each([...events])("names every field of %s, and shows it", (type, fields) => {
    const section = sections.get(type) ?? "";
    for (const field of fields.filter((f) => f !== "type")) expect(section).toContain(`\`${field}\``);
    const examples = [...section.matchAll(/^```json\n(.*)\n```$/gm)].map(([, line]) =>
      JSON.parse(line ?? ""),
    );
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(example.type).toBe(type);
      expect(Object.keys(example).filter((key) => key !== "at" && !fields.includes(key))).toEqual([]);
    }
    const shown = new Set(examples.flatMap((example) => Object.keys(example)));
    // An error and a matrix exclude each other; the others are shown.
    const unshown = ["doing", "error", "reason", "later"];
    expect(fields.filter((f) => !shown.has(f) && !unshown.includes(f))).toEqual([]);
  });

  it.each([
    ["A step", interfaces.get("ShownStep")],
    ["A container", interfaces.get("ContainerFate")],
    ["A matrix", [...(interfaces.get("Matrix") ?? []), ...(interfaces.get("MatrixCell") ?? [])]],
    ["A matrix", [...(interfaces.get("MatrixEvidence") ?? []), "evidence"]],
    ["recap", interfaces.get("HostRecap")],
    [
      "An error",
      [
        "code",
        "message",
        ...(details.get("ErrorDetail") ?? []).filter((f) => !["cause", "restsOn"].includes(f)),
      ],
    ],
    ["An error", details.get("Position")],
  ])("names every field of: %s", (title, fields = []) => {
    expect(fields.length).toBeGreaterThan(2);
    for (const field of fields) expect(sections.get(title)).toContain(`\`${field}\``);
  });
});
