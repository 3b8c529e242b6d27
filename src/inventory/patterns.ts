import { existsSync, readFileSync } from "node:fs";
import { CausewayError, type ErrorCode } from "../errors.ts";
import { nearest } from "../schema/nearest.ts";
import type { Inventory, InventoryHost } from "./types.ts";

/** The hosts of a group, those of its children included, in the inventory's order. */
export function hostsOfGroup(inventory: Inventory, group: string): Set<string> {
  if (group === "all") return new Set(inventory.hosts.map((h) => h.name));
  return new Set(inventory.hosts.filter((h) => h.groups.includes(group)).map((h) => h.name));
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
    throw new CausewayError("usage", `the pattern ${written} is not understood`, {
      found: (error as Error).message,
      expected: "a host, a group, a glob such as web*, or ~ and a regular expression",
    });
  }
}

/** One word of a pattern: a host, a group, a glob, `~regex`, with an optional subscript. */
function matchWord(inventory: Inventory, word: string): string[] {
  // A regular expression has no subscript: its brackets are its own.
  const parts = word.startsWith("~") ? null : /^(.+?)\[(-?\d+|-?\d*:-?\d*)\]$/.exec(word);
  const [, plain = word, subscript] = parts ?? [];
  const test = plain.startsWith("~") ? regExp(plain.slice(1), plain) : glob(plain === "all" ? "*" : plain);
  const direct = plain.startsWith("~") || /[*?[]/.test(plain) || plain === "all";
  const names = new Set<string>();
  for (const group of inventory.groups.keys()) {
    if (direct ? plain !== "all" && test.test(group) : group === plain)
      for (const host of hostsOfGroup(inventory, group)) names.add(host);
  }
  for (const host of inventory.hosts)
    if (direct ? test.test(host.name) : host.name === plain) names.add(host.name);
  const ordered = inventory.hosts.map((h) => h.name).filter((name) => names.has(name));
  return subscript === undefined ? ordered : pick(ordered, subscript);
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

function wordsOf(pattern: string): string[] {
  // A colon inside a subscript or a regular expression does not separate.
  return pattern.startsWith("~")
    ? [pattern]
    : (pattern.match(/(?:[^,:[\]]|\[[^\]]*\])+/g) ?? []).map((word) => word.trim()).filter(Boolean);
}

/**
 * The hosts that Ansible's pattern names, in the inventory's order: `a:b` or `a,b`, `a:&b`, `a:!b`, globs, `~regex`,
 * `[0:2]`, `@file` with one pattern a line. One that names nothing is an error.
 */
export function select(
  inventory: Inventory,
  pattern: string,
  what: string,
  code: ErrorCode = "usage",
): InventoryHost[] {
  const words = wordsOf(pattern).flatMap((word) =>
    word.startsWith("@") ? linesOf(word.slice(1), what) : [word],
  );
  let chosen = new Set<string>();
  const plain = words.filter((w) => !/^[&!]/.test(w));
  if (plain.length === 0 && words.length > 0) chosen = new Set(inventory.hosts.map((h) => h.name));
  for (const word of plain) {
    const matched = matchWord(inventory, word);
    if (matched.length === 0) throw nothing(inventory, word, what, code);
    for (const name of matched) chosen.add(name);
  }
  for (const word of words.filter((w) => w.startsWith("&"))) {
    const both = new Set(matchWord(inventory, word.slice(1)));
    chosen = new Set([...chosen].filter((name) => both.has(name)));
  }
  for (const word of words.filter((w) => w.startsWith("!")))
    for (const name of matchWord(inventory, word.slice(1))) chosen.delete(name);
  if (chosen.size === 0) throw nothing(inventory, pattern, what, code);
  return inventory.hosts.filter((h) => chosen.has(h.name));
}

function linesOf(file: string, what: string): string[] {
  if (!existsSync(file))
    throw new CausewayError("usage", `${what}: the file ${file} is not there`, {
      expected: "one host a line",
    });
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function nothing(inventory: Inventory, word: string, what: string, code: ErrorCode): CausewayError {
  const names = [...inventory.groups.keys(), ...inventory.hosts.map((h) => h.name)];
  const meant = nearest(word, names);
  const shown = inventory.hosts
    .slice(0, 8)
    .map((h) => h.name)
    .join(", ");
  return new CausewayError(code, `${what} ${word} names no host of the inventory`, {
    found: inventory.groups.has(word) ? `the group ${word} is empty` : word,
    expected: `groups ${[...inventory.groups.keys()].slice(0, 12).join(", ")}; hosts ${shown}${inventory.hosts.length > 8 ? ", …" : ""}`,
    ...(meant && meant !== word ? { advice: `did you mean ${meant}?` } : {}),
  });
}
