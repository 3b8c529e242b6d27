import { createRequire } from "node:module";
import type { Document, LineCounter as Lines, Node, Pair } from "yaml";
import { CausewayError, type ErrorCode, type Position } from "../errors.ts";
import type { Path } from "../schema/schema.ts";

/** A YAML text with its value, and where each part of it was written. */
export interface YamlDocument {
  value: unknown;
  locate(path: Path, onKey: boolean): Position | undefined;
}

/** Reads YAML (and so JSON). Bad syntax, a doubled key or a vault is an error with its position. */
export function readYaml(file: string, text: string, code: ErrorCode): YamlDocument {
  const yaml = createRequire(import.meta.url)("yaml") as typeof import("yaml");
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    merge: true,
    prettyErrors: false,
  });
  const [error] = document.errors;
  if (error) throw syntaxError(file, text, code, position(file, lines, error.pos[0]), error.message);
  yaml.visit(document, {
    Alias(_key, node) {
      if (node.resolve(document)) return;
      throw refused(
        code,
        position(file, lines, node.range?.[0] ?? 0),
        `*${node.source}`,
        "no anchor of this name is defined above it",
        `for a text that begins with a star, quote it: "*${node.source}"`,
      );
    },
    Scalar(_key, node) {
      if (node.tag === "!vault")
        throw refused(
          code,
          position(file, lines, node.range?.[0] ?? 0),
          "!vault",
          "Ansible Vault is not supported",
          "keep the secret in a file of its own and pass it with -e @file",
        );
      if (typeof node.value === "string" && /\{\{.*\}\}/s.test(node.value)) {
        throw refused(
          code,
          position(file, lines, node.range?.[0] ?? 0),
          node.value,
          "templates are not supported",
          "write the value itself; compute values in the playbook, which is TypeScript",
        );
      }
    },
  });
  return {
    value: document.toJS(),
    locate: (path, onKey) => locate(yaml, file, lines, document, path, onKey),
  };
}

function refused(
  code: ErrorCode,
  at: Position,
  found: string,
  message: string,
  advice: string,
): CausewayError {
  return new CausewayError(code, message, { at, found, advice });
}

function syntaxError(
  file: string,
  text: string,
  code: ErrorCode,
  at: Position,
  message: string,
): CausewayError {
  const line = text.split("\n")[at.line - 1] ?? "";
  const tab = /^\s*\t/.test(line);
  return new CausewayError(code, `${file} is not valid YAML`, {
    at,
    found: line.trimEnd(),
    expected: message.split("\n")[0] ?? message,
    advice: tab
      ? "indent with spaces; YAML allows no tabs"
      : /unique/.test(message)
        ? "this key occurs twice: remove one"
        : "correct this line; nested lines are indented below their key",
  });
}

function position(file: string, lines: Lines, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(1, line), column: Math.max(1, col) };
}

function locate(
  yaml: typeof import("yaml"),
  file: string,
  lines: Lines,
  document: Document,
  path: Path,
  onKey: boolean,
): Position | undefined {
  let node: unknown = document.contents;
  let pair: Pair | undefined;
  for (const part of path) {
    if (yaml.isMap(node)) {
      pair = node.items.find(
        (item) => String((item.key as { value?: unknown } | null)?.value ?? item.key) === String(part),
      );
      if (!pair) return undefined;
      node = pair.value;
    } else if (yaml.isSeq(node)) node = node.items[Number(part)];
    else return undefined;
  }
  const target = (onKey || !(node as Node | null)?.range ? pair?.key : node) as Node | undefined;
  return target?.range ? position(file, lines, target.range[0]) : undefined;
}
