import { createRequire } from "node:module";
import type { Alias, Document, LineCounter, Node, Pair, Scalar, YAMLMap } from "yaml";
import { CausewayError, type ErrorCode, type Position } from "../errors.ts";
import type { Path } from "../schema/schema.ts";
import { SealedValue } from "../vault/sealed-value.ts";
import { noVault, type Vault } from "../vault/vault.ts";
import { isTemplate, type Unread } from "./unread.ts";
import { scalarTags } from "./yaml-scalars.ts";

type Yaml = typeof import("yaml");

/** A part of a YAML text: its value, and where it stands. */
export interface YamlPart {
  readonly value: unknown;
  /** Where it was written. */
  at(): Position | undefined;
  /** The keys of a mapping in their order, those that `<<` merges first; none where it is no mapping. */
  entries(): readonly YamlEntry[];
  /** Those of a list; none where it is no list. */
  items(): readonly YamlPart[];
  /** The first template or vault in it. */
  unread(): Unread | undefined;
}

export interface YamlEntry {
  readonly key: string;
  /** Whether the key is a text: in YAML 1.1 `on` and `0644` are none. */
  readonly isText: boolean;
  readonly part: YamlPart;
  keyAt(): Position | undefined;
}

/** A YAML text with its value, and where each part of it was written. */
export interface YamlDocument extends YamlPart {
  locate(path: Path, onKey: boolean): Position | undefined;
}

/**
 * Reads YAML 1.1 (and so JSON) as PyYAML does. Bad syntax, a doubled key or an unknown tag is an error with its position; a
 * template stays as it is until it is asked for, and so does a value of Ansible Vault, which `vault` opens then.
 */
export function readYaml(file: string, text: string, code: ErrorCode, vault = noVault): YamlDocument {
  return new Reading(file, text, code, vault).document();
}

/** Tags that change nothing but the kind of a value. */
const plainTags = new Set([
  undefined,
  "!",
  "!unsafe",
  ...["str", "int", "float", "bool", "null", "map", "seq"].map((name) => `tag:yaml.org,2002:${name}`),
]);
const vaultTags = new Set<string | undefined>(["!vault", "!vault-encrypted"]);

class Reading {
  readonly #yaml: Yaml = createRequire(import.meta.url)("yaml") as Yaml;
  readonly #lines: LineCounter = new this.#yaml.LineCounter();
  readonly #document: Document.Parsed;
  readonly #parts = new Map<Node, YamlPart>();
  /** Aliases that are being followed. */
  readonly #open = new Set<Node>();
  readonly #hasUnread: boolean;
  readonly #file: string;
  readonly #code: ErrorCode;
  readonly #vault: Vault;

  constructor(file: string, text: string, code: ErrorCode, vault: Vault) {
    this.#file = file;
    this.#code = code;
    this.#vault = vault;
    this.#hasUnread = isTemplate(text) || /!vault|__ansible_vault/.test(text);
    this.#document = this.#yaml.parseDocument(text, {
      lineCounter: this.#lines,
      schema: "failsafe",
      customTags: (tags) => [...tags, ...scalarTags],
      resolveKnownTags: false,
      // Both are done below, where they cost no second look at every key.
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
    });
    const [error] = this.#document.errors;
    if (error) throw syntaxError(file, text, code, this.#position(error.pos[0]), error.message);
  }

  document(): YamlDocument {
    const { contents } = this.#document;
    const root = this.#part(contents);
    return { ...root, locate: (path, onKey) => locate(root, path, onKey) };
  }

  #part(given: unknown): YamlPart {
    const node = this.#yaml.isAlias(given) ? this.#behind(given) : (given as Node | null);
    if (node === null) return nothing;
    const known = this.#parts.get(node);
    if (known) return known;
    if (this.#open.has(node)) throw this.#refused(node, "an anchor that contains itself", "write it out");
    this.#open.add(node);
    const made = this.#read(node);
    this.#open.delete(node);
    this.#parts.set(node, made);
    return made;
  }

  #behind(alias: Alias): Node {
    const node = alias.resolve(this.#document);
    if (node) return node;
    throw this.#refused(
      alias,
      "no anchor of this name is defined above it",
      `for a text that begins with a star, quote it: "*${alias.source}"`,
      `*${alias.source}`,
    );
  }

  #read(node: Node): YamlPart {
    const { tag } = node as Scalar;
    if (!plainTags.has(tag) && !vaultTags.has(tag))
      throw this.#refused(
        node,
        "tags other than !unsafe and !vault are not read",
        "write the value itself",
        shortTag(tag),
      );
    const at = () => (node.range ? this.#position(node.range[0]) : undefined);
    if (this.#yaml.isMap(node)) return this.#mapping(node, at);
    if (this.#yaml.isSeq(node)) {
      const parts = node.items.map((item) => this.#part(item));
      const unread = () => (tag === "!unsafe" ? undefined : first(parts));
      return { ...nothing, value: parts.map((p) => p.value), at, items: () => parts, unread };
    }
    return this.#scalar(node as Scalar, at);
  }

  #mapping(node: YAMLMap, at: YamlPart["at"]): YamlPart {
    const entries = new Map<string, YamlEntry>();
    const own = new Set<string>();
    const merged = node.items.filter(isMerge);
    for (const { value } of merged)
      for (const part of this.#merging(value))
        for (const entry of part.entries()) if (!entries.has(entry.key)) entries.set(entry.key, entry);
    for (const pair of node.items) {
      if (isMerge(pair)) continue;
      const entry = this.#entry(pair);
      if (own.has(entry.key)) throw this.#doubled(entry);
      own.add(entry.key);
      entries.set(entry.key, entry);
    }
    const all = [...entries.values()];
    const [only, another] = all;
    // As Ansible's own listings write it in JSON.
    if (only?.key === "__ansible_vault" && another === undefined)
      return this.#sealed(String(only.part.value), at, only.key);
    const isUnsafe = node.tag === "!unsafe";
    return {
      ...nothing,
      value: Object.fromEntries(all.map(({ key, part }) => [key, part.value])),
      at,
      entries: () => all,
      unread: () => (this.#hasUnread && !isUnsafe ? first(all.map(({ part }) => part)) : undefined),
    };
  }

  #entry({ key, value }: Pair): YamlEntry {
    const keyNode = key as Node | null;
    const { value: name, at } = this.#part(keyNode);
    return { key: String(name), isText: typeof name === "string", part: this.#part(value), keyAt: at };
  }

  /** What `<<` merges: a mapping, or several, of which the first one wins. */
  #merging(value: unknown): YamlPart[] {
    const node = this.#yaml.isAlias(value) ? this.#behind(value) : (value as Node | null);
    const parts = (this.#yaml.isSeq(node) ? node.items : [node]).map((item) => this.#part(item));
    if (parts.every(({ value: v }) => typeof v === "object" && v !== null && !Array.isArray(v))) return parts;
    throw this.#refused(node, "<< merges mappings only", "give it the name of an anchor: <<: *base");
  }

  #scalar(node: Scalar, at: YamlPart["at"]): YamlPart {
    if (vaultTags.has(node.tag)) return this.#sealed(String(node.value), at, shortTag(node.tag));
    const { value } = node;
    const isOpen = typeof value === "string" && node.tag !== "!unsafe" && isTemplate(value);
    return {
      ...nothing,
      value,
      at,
      unread: () => (isOpen ? { what: "template", found: value, ...place(at()) } : undefined),
    };
  }

  #sealed(text: string, at: YamlPart["at"], found: string): YamlPart {
    const value = new SealedValue(text, this.#vault, at());
    return { ...nothing, value, at, unread: () => ({ what: "vault", found, ...place(at()) }) };
  }

  #doubled({ key, keyAt }: YamlEntry): CausewayError {
    return new CausewayError(this.#code, `${this.#file} is not valid YAML`, {
      ...place(keyAt()),
      found: key,
      expected: "each key of a mapping once",
      advice: "this key occurs twice: remove one",
    });
  }

  #refused(node: Node | null, message: string, advice: string, found?: string): CausewayError {
    return new CausewayError(this.#code, message, {
      at: this.#position(node?.range?.[0] ?? 0),
      ...(found === undefined ? {} : { found }),
      advice,
    });
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) };
  }
}

const nothing: YamlPart = {
  value: null,
  at: () => undefined,
  entries: () => [],
  items: () => [],
  unread: () => undefined,
};

function isMerge({ key }: Pair): boolean {
  const { value, type } = (key ?? {}) as Partial<Scalar>;
  return value === "<<" && type === "PLAIN";
}

function first(parts: readonly YamlPart[]): Unread | undefined {
  for (const part of parts) {
    const found = part.unread();
    if (found) return found;
  }
  return undefined;
}

function place(at: Position | undefined): { at?: Position } {
  return at ? { at } : {};
}

function shortTag(tag = ""): string {
  return tag.replace("tag:yaml.org,2002:", "!!");
}

function locate(root: YamlPart, path: Path, onKey: boolean): Position | undefined {
  let part: YamlPart | undefined = root;
  let keyAt: (() => Position | undefined) | undefined;
  for (const step of path) {
    const entry: YamlEntry | undefined = part?.entries().find(({ key }) => key === String(step));
    keyAt = entry?.keyAt;
    part = entry ? entry.part : part?.items()[Number(step)];
    if (!part) return undefined;
  }
  return onKey ? keyAt?.() : (part?.at() ?? keyAt?.());
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
      : "correct this line; nested lines are indented below their key",
  });
}
