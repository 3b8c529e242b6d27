import { existsSync, readFileSync } from "node:fs";
import { CausewayError, type ErrorCode, type Position } from "../errors.ts";
import { nearest } from "../schema/nearest.ts";
import type { Inventory, InventoryHost } from "./types.ts";

/** The groups directly below one; below `all`, every group that is below no other. */
export function childrenOf(inventory: Inventory, group: string): Set<string> {
  const children = inventory.groups.get(group)?.children ?? [];
  if (group !== "all") return new Set(children);
  const below = new Set([...inventory.groups.values()].flatMap((g) => [...g.children]));
  return new Set([...children, ...[...inventory.groups.keys()].filter((g) => g !== "all" && !below.has(g))]);
}

/**
 * The hosts of a group in Ansible's order, in which a subscript counts: its own, then level by level those of its
 * children.
 */
export function hostsOfGroup(inventory: Inventory, group: string): Set<string> {
  const hosts = new Set<string>();
  const groups = new Set([group]);
  // A set is walked to its end, with what is added on the way.
  for (const name of groups) {
    for (const host of inventory.groups.get(name)?.hosts ?? []) hosts.add(host);
    for (const child of childrenOf(inventory, name)) groups.add(child);
  }
  return hosts;
}

function glob(pattern: string): RegExp {
  const body = pattern
    .replaceAll(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("[!", "[^")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return regExp(`^${body}$`, pattern);
}

function regExp(source: string, written: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new CausewayError("usage", `the pattern ${written} is not valid`, {
      found: (error as Error).message,
      expected: "a host, a group, a glob such as web*, or ~ and a regular expression",
    });
  }
}

/** One word of a pattern: a host, a group, a glob, `~regex`, with an optional subscript. A group hides a host of its name. */
function matchWord(inventory: Inventory, word: string): string[] {
  // A regular expression has no subscript: its brackets are its own.
  const parts = word.startsWith("~") ? null : /^(.+?)\[(-?\d+|-?\d*:-?\d*)\]$/.exec(word);
  const [, plain = word, subscript] = parts ?? [];
  const matched = [...matchName(inventory, plain)];
  return subscript === undefined ? matched : pick(matched, subscript);
}

function matchName(inventory: Inventory, plain: string): Set<string> {
  if (inventory.groups.has(plain)) return hostsOfGroup(inventory, plain);
  if (!isPattern(plain)) return new Set(inventory.hosts.some((h) => h.name === plain) ? [plain] : []);
  const test = plain.startsWith("~") ? regExp(plain.slice(1), plain) : glob(plain);
  const groups = [...inventory.groups.keys()].filter((name) => test.test(name));
  const hosts = inventory.hosts.map((h) => h.name).filter((name) => test.test(name));
  return new Set([...groups.flatMap((group) => [...hostsOfGroup(inventory, group)]), ...hosts]);
}

function isPattern(word: string): boolean {
  return word.startsWith("~") || /[*?[]/.test(word);
}

/** `[0]`, `[-1]`, `[0:2]` (both ends included), `[1:]`. */
function pick(names: string[], subscript: string): string[] {
  const [from = "", to] = subscript.split(":");
  if (to === undefined) {
    const one = names.at(Number(from));
    return one === undefined ? [] : [one];
  }
  const last = to === "" ? names.length - 1 : Number(to) < 0 ? names.length + Number(to) : Number(to);
  return names.slice(from === "" ? 0 : Number(from), last + 1);
}

/** As Ansible separates them: by colons, commas and spaces, but not inside of brackets, `(?:` and `{1,2}`. */
function wordsOf(pattern: string): string[] {
  // A file's name is taken as it is.
  if (pattern.startsWith("@")) return [pattern];
  return pattern.match(/(?:\(\?:|\{\d*,\d*\}|\[[^\]]*\]|[^\s,:[\]])+/g) ?? [];
}

/**
 * The hosts that Ansible's pattern names, in the inventory's order: `a:b` or `a,b`, `a:&b`, `a:!b`, globs, `~regex`,
 * `[0:2]`, `@file` with one pattern a line. One that names nothing is an error; `at` is where it is written, if it is known.
 */
export function select(
  inventory: Inventory,
  pattern: string,
  what: string,
  code: ErrorCode = "usage",
  at?: Position,
): InventoryHost[] {
  const nothing = (word: string) => matchesNothing(inventory, word, { what, code, at });
  const words = wordsOf(pattern).flatMap((word) =>
    word.startsWith("@") ? linesOf(word.slice(1), what) : [word],
  );
  let chosen = new Set<string>();
  const plain = words.filter((w) => !/^[&!]/.test(w));
  if (plain.length === 0 && words.length > 0) chosen = new Set(inventory.hosts.map((h) => h.name));
  for (const word of plain) {
    const matched = matchWord(inventory, word);
    if (matched.length === 0) throw nothing(word);
    for (const name of matched) chosen.add(name);
  }
  for (const word of words.filter((w) => w.startsWith("&"))) {
    const both = new Set(matchWord(inventory, word.slice(1)));
    chosen = new Set([...chosen].filter((name) => both.has(name)));
  }
  for (const word of words.filter((w) => w.startsWith("!"))) {
    // Whoever misspells the host that has to be left alone must not hit it.
    const left = word.slice(1);
    if (!isPattern(left) && !isKnown(inventory, left)) throw nothing(word);
    for (const name of matchWord(inventory, left)) chosen.delete(name);
  }
  if (chosen.size === 0) throw nothing(pattern);
  return inventory.hosts.filter((h) => chosen.has(h.name));
}

function isKnown(inventory: Inventory, name: string): boolean {
  return inventory.groups.has(name) || inventory.hosts.some((h) => h.name === name);
}

function linesOf(file: string, what: string): string[] {
  if (!existsSync(file))
    throw new CausewayError("usage", `${what}: the file ${file} does not exist`, {
      expected: "one host a line",
    });
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function matchesNothing(
  inventory: Inventory,
  word: string,
  { what, code, at }: { what: string; code: ErrorCode; at: Position | undefined },
): CausewayError {
  const names = [...inventory.groups.keys(), ...inventory.hosts.map((h) => h.name)];
  const meant = nearest(word.replace(/^[!&]/, ""), names);
  const dashed = /^(.+)\[(\d+)-(\d*)\]$/.exec(word);
  const shown = inventory.hosts
    .slice(0, 8)
    .map((h) => h.name)
    .join(", ");
  const from = inventory.paths.join(", ") || "-i";
  return new CausewayError(code, `${what} ${word} matches no host of the inventory ${from}`, {
    ...(at ? { at } : {}),
    found: inventory.groups.has(word) ? `the group ${word} is empty` : word,
    expected: `groups ${[...inventory.groups.keys()].slice(0, 12).join(", ")}; hosts ${shown}${inventory.hosts.length > 8 ? ", …" : ""}`,
    ...(dashed
      ? { advice: `a subscript is written with a colon: ${dashed[1]}[${dashed[2]}:${dashed[3]}]` }
      : {}),
    ...(!dashed && meant && meant !== word ? { advice: `did you mean ${meant}?` } : {}),
  });
}
