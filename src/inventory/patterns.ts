import { existsSync, statSync } from "node:fs";
import { CausewayError, type ErrorCode, type Position } from "../errors.ts";
import { nearest } from "../schema/nearest.ts";
import { isHostName, splitPort } from "./host-names.ts";
import { readText } from "./text-file.ts";
import type { Inventory, InventoryHost } from "./types.ts";

/** The groups directly below one. */
export function childrenOf(inventory: Inventory, group: string): ReadonlySet<string> {
  return inventory.groups.get(group)?.children ?? new Set();
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

/** A glob as Python's fnmatch reads it: `*`, `?`, `[abc]`, `[!abc]`; a bracket that is not closed is itself. */
function glob(pattern: string): RegExp {
  const parts = pattern.match(/\[!?\]?[^\]]*\]|[\s\S]/g) ?? [];
  const body = parts.map((part) => {
    if (part === "*") return "[^]*";
    if (part === "?") return "[^]";
    if (part.length === 1) return part.replace(/[.+^${}()|\\[\]/-]/, "\\$&");
    const inside = part.slice(1, -1).replaceAll(/[\\\][]/g, "\\$&");
    return `[${inside.startsWith("!") ? `^${inside.slice(1)}` : inside.replace(/^\^/, "\\^")}]`;
  });
  return regExp(`^${body.join("")}$`, pattern);
}

/** Python's `re.match`: from the start, not to the end. */
function fromStart(source: string, pattern: string): RegExp {
  const [, flags, rest = source] = /^\(\?([ims]+)\)([\s\S]*)$/.exec(source) ?? [];
  return regExp(`^(?:${rest.replaceAll("(?P<", "(?<")})`, pattern, flags);
}

function regExp(source: string, written: string, flags?: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new CausewayError("usage", `the pattern ${written} is not valid`, {
      found: (error as Error).message,
      expected: "a host, a group, a glob such as web*, or ~ and a regular expression",
    });
  }
}

/** One word of a pattern: a group, a host, a glob, `~regex`, with an optional subscript. */
function matchWord(inventory: Inventory, word: string): string[] {
  // A regular expression has no subscript: its brackets are its own.
  const [, plain = word, one, from, to] = word.startsWith("~")
    ? []
    : (/^(.+)\[(?:(-?\d+)|(\d+)[:-](\d*))\]$/.exec(word) ?? []);
  const matched = [...matchName(inventory, plain)];
  if (one !== undefined) return [matched.at(Number(one)) ?? []].flat();
  if (from === undefined) return matched;
  // Ansible takes an end of 0 for none: web[1:0] is the second host.
  const last = to === "" ? matched.length - 1 : Number(to) || Number(from);
  return matched.slice(Number(from), last + 1);
}

function matchName(inventory: Inventory, plain: string): Set<string> {
  const test = plain.startsWith("~") ? fromStart(plain.slice(1), plain) : glob(plain);
  const groups = [...inventory.groups.keys()].filter((name) => test.test(name));
  const matched = new Set(groups.flatMap((group) => [...hostsOfGroup(inventory, group)]));
  if (groups.length > 0 && !isPattern(plain) && !plain.includes(".")) return matched;
  for (const { name } of inventory.hosts) if (test.test(name)) matched.add(name);
  return matched;
}

function isPattern(word: string): boolean {
  return word.startsWith("~") || /[*?[]/.test(word);
}

/**
 * As Ansible separates them: by commas where there is one, else by colons and spaces, but not inside of brackets, nor of an
 * IPv6 address; here not inside of `(?:` and `{1,2}` either.
 */
function wordsOf(pattern: string): string[] {
  // A file's name is taken as it is.
  if (pattern.startsWith("@")) return [pattern];
  const commas = pattern.match(/(?:\{\d*,\d*\}|[^,])+/g) ?? [];
  const words =
    commas.length > 1 || pattern.includes(",", pattern.length - 1)
      ? commas
      : isHostName(splitPort(pattern).name)
        ? [pattern]
        : (pattern.match(/(?:\(\?:|\[[^\]]*\]|[^\s:[\]])+/g) ?? []);
  return words.map((word) => word.trim()).filter((word) => word !== "");
}

/**
 * The hosts that Ansible's pattern names, in its order: `a:b` or `a,b`, `a:&b`, `a:!b`, globs, `~regex`, `[0:2]`, `@file` with
 * one pattern a line. A word that names nothing is an error; `at` is where it is written, if it is known.
 */
export function select(
  inventory: Inventory,
  pattern: string,
  what: string,
  code: ErrorCode = "usage",
  at?: Position,
): InventoryHost[] {
  const byName = new Map(inventory.hosts.map((host) => [host.name, host]));
  const nothing = (word: string) => matchesNothing(inventory, word, { what, code, at });
  const words = wordsOf(pattern).flatMap((word) =>
    word.startsWith("@") ? linesOf(word.slice(1), what) : [word],
  );
  let chosen = new Set<string>();
  const plain = words.filter((w) => !/^[&!]/.test(w));
  for (const word of plain.length === 0 && words.length > 0 ? ["all"] : plain) {
    // A host hides a group of its name, but not behind ! and &.
    const matched = byName.has(word) ? [word] : matchWord(inventory, word);
    if (matched.length === 0 && !inventory.groups.has(word)) throw nothing(word);
    for (const name of matched) chosen.add(name);
  }
  for (const word of words.filter((w) => w.startsWith("&"))) {
    const both = new Set(matchWord(inventory, word.slice(1)));
    chosen = new Set([...chosen].filter((name) => both.has(name)));
  }
  for (const word of words.filter((w) => w.startsWith("!"))) {
    // Whoever misspells the host that has to be left alone must not hit it.
    const left = word.slice(1);
    if (!isPattern(left) && !byName.has(left) && !inventory.groups.has(left)) throw nothing(word);
    for (const name of matchWord(inventory, left)) chosen.delete(name);
  }
  if (chosen.size === 0) throw nothing(pattern);
  return [...chosen].flatMap((name) => byName.get(name) ?? []);
}

function linesOf(file: string, what: string): string[] {
  const fault = existsSync(file) ? statSync(file).isDirectory() && "is a folder" : "does not exist";
  if (fault)
    throw new CausewayError("usage", `${what}: the file ${file} ${fault}`, { expected: "one host a line" });
  return readText(file, "usage")
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
  const shown = inventory.hosts
    .slice(0, 8)
    .map((h) => h.name)
    .join(", ");
  const from = inventory.paths.join(", ") || "-i";
  const advice = adviceOn(word, names);
  return new CausewayError(code, `${what} ${word} matches no host of the inventory ${from}`, {
    ...(at ? { at } : {}),
    found: inventory.groups.has(word) ? `the group ${word} is empty` : word,
    expected: `groups ${[...inventory.groups.keys()].slice(0, 12).join(", ")}; hosts ${shown}${inventory.hosts.length > 8 ? ", …" : ""}`,
    ...(advice ? { advice } : {}),
  });
}

function adviceOn(word: string, names: readonly string[]): string | undefined {
  const [, name, from = "", to = ""] = /^(.+)\[(-?\d*)[:-](-?\d*)\]$/.exec(word) ?? [];
  if (name !== undefined)
    return names.includes(name)
      ? "a subscript counts from 0, from the smaller to the larger: web[0:1] are the first two, web[1:] all but the first, web[-1] the last"
      : `a subscript is for a group or a glob, and ${name} is neither; for names that end so, a class of single characters without a dash, such as ${name}[${letters(from, to)}]`;
  if (/^[^[]*:/.test(word))
    return "where a pattern has a comma, only commas separate its words; a port is no part of a pattern";
  const meant = nearest(word.replace(/^[!&]/, ""), names);
  return meant && meant !== word ? `did you mean ${meant}?` : undefined;
}

/** The digits of a range one by one: 1 and 3 are 123. */
function letters(from: string, to: string): string {
  const [first, last] = [Number(from), Number(to)];
  if (from === "" || to === "" || first < 0 || last > 9 || last < first) return "12";
  return Array.from({ length: last - first + 1 }, (_, i) => first + i).join("");
}
