import {
  applyEdits,
  findNodeAtLocation,
  modify,
  type ParseError,
  parse,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";
import { CausewayError } from "../../errors.ts";
import type { FileState } from "../../host/tools/file.ts";
import type { Consequence, Step } from "../../task/step.ts";
import { file } from "./file.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface JsonKeysStep {
  was: FileState;
  /** Keys at the top of the document; undefined removes a key. */
  keys: Readonly<Record<string, Json | undefined>>;
  mode?: string;
  causes?: readonly Consequence[];
}

/** Reads a JSON file as its owner wrote it. A file that is not JSON is an error with line and column, and stays. */
export function readJson(was: FileState): Record<string, Json> {
  if (was.content === "" && was.size > 0) {
    throw new CausewayError("host", `${was.path} is too large to be edited`, {
      found: `${was.size} bytes`,
      expected: "at most 1 MiB",
      advice: "edit it by hand, or make it smaller; it was not changed",
    });
  }
  if (was.content.startsWith("\ufeff"))
    throw new CausewayError("host", `${was.path} begins with a byte order mark, which is not JSON`, {
      at: { file: was.path, line: 1, column: 1 },
      found: "the bytes EF BB BF, as some editors write them before the text",
      expected: "a JSON object, { … }; dockerd does not read the file either",
      advice: `sed -i '1s/^\\xEF\\xBB\\xBF//' ${was.path}`,
    });
  if (was.kind === "absent" || was.content.trim() === "") return {};
  const errors: ParseError[] = [];
  const value: unknown = parse(was.content, errors, { allowTrailingComma: false, disallowComments: true });
  const [error] = errors;
  if (error) {
    const before = was.content.slice(0, error.offset).split("\n");
    throw new CausewayError("host", `${was.path} is not JSON`, {
      at: { file: was.path, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 },
      found: printParseErrorCode(error.error),
      expected: "a JSON object",
      advice: "fix the file by hand; it was not changed",
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CausewayError("host", `${was.path} holds no JSON object`, {
      at: { file: was.path, line: 1, column: 1 },
      found: was.content.trim().slice(0, 40),
      expected: "an object, { … }",
      advice: "fix the file by hand; it was not changed",
    });
  }
  return value as Record<string, Json>;
}

/** The text with some top-level keys set or taken away; everything else, layout included, stays as its owner wrote it. */
export function withKeys(text: string, keys: Readonly<Record<string, Json | undefined>>): string {
  const indent = /^[ \t]+(?=")/m.exec(text)?.[0] ?? "  ";
  const formattingOptions = {
    insertSpaces: !indent.includes("\t"),
    tabSize: indent.includes("\t") ? 1 : indent.length,
    eol: "\n",
  };
  let now = text.trim() === "" ? "{}\n" : text;
  for (const [key, value] of Object.entries(keys)) {
    now = applyEdits(now, modify(now, [key], value, { formattingOptions }));
  }
  return now;
}

/** The raw text of one top-level key's value, as its owner wrote it. */
export function rawValue(text: string, key: string): string | undefined {
  const root = parseTree(text);
  const node = root && findNodeAtLocation(root, [key]);
  return node && text.slice(node.offset, node.offset + node.length);
}

/** Sets or takes away keys of a JSON file that belongs to somebody else: foreign keys and layout stay. */
export function jsonKeys({ was, keys, mode, causes = [] }: JsonKeysStep): Step {
  const now = readJson(was);
  const shown = (of: (key: string) => Json | undefined) =>
    Object.keys(keys)
      .map((key) => `${key} ${of(key) === undefined ? "—" : JSON.stringify(of(key))}`)
      .join(", ");
  const content = withKeys(was.content, keys);
  const empty =
    Object.keys(readJson({ ...was, kind: "file", content })).length === 0 && was.kind === "absent";
  const step = file({
    was,
    content: empty ? null : content,
    causes,
    ...(mode === undefined ? {} : { mode }),
  });
  return {
    ...step,
    kind: "json",
    what: `keys of ${was.path}`,
    from: Object.keys(keys).some((key) => now[key] !== undefined) ? shown((key) => now[key]) : null,
    to: shown((key) => keys[key]),
    keys: Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, value ?? null])),
  };
}
