import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import { becomeMethods } from "../host/session.ts";
import { loadInventory } from "../inventory/load.ts";
import { shellWords } from "../inventory/shell-words.ts";
import type { Inventory } from "../inventory/types.ts";
import { packageDir } from "../package-dir.ts";
import { loadPlaybook, resolvePlaybookPath } from "../playbook/load.ts";
import { ansibleSettings } from "./ansible-config.ts";
import type { Options } from "./arguments.ts";
import type { Commands } from "./commands.ts";
import { shells } from "./completion/shells.ts";
import { door } from "./door.ts";
import { playbookOptions } from "./playbook-options.ts";

/** A word that fits, and what it means, for shells that show it. */
export interface Completion {
  word: string;
  means: string;
}

/** The command line as far as it is typed. */
interface Typed {
  /** Undefined while the first word is being typed. */
  command: string | undefined;
  options: Options;
  /** Words behind the command that are neither options nor their values. */
  positionals: readonly string[];
  /** The inventories that `-i` names. */
  inventories: readonly string[];
  /** The option whose value the last word is. */
  option: string | undefined;
  /** The word that is being typed. */
  last: string;
}

/** What fits the last of the words behind `run`; nothing where a file does, or what was typed before is wrong. */
export async function completions(words: readonly string[], commands: Commands): Promise<Completion[]> {
  try {
    const typed = await readWords(withoutBreaks(words), commands);
    if (typed === undefined) return [];
    const [, before = "", last = ""] = /^(--[\w-]+=|)([\s\S]*)$/.exec(typed.last) ?? [];
    const option = before === "" ? typed.option : before.slice(2, -1);
    const now = { ...typed, option, last };
    const [, others = "", part = last] = listed(now) ? (/^([\s\S]*[,:&!])?([\s\S]*)$/.exec(last) ?? []) : [];
    const found = await candidates({ ...now, last: part }, commands);
    return found
      .filter(({ word }) => word.startsWith(part))
      .map(({ word, means }) => ({ word: before + others + word, means }));
  } catch {
    // Whoever presses a key for a hint wants no error; the command itself gives it.
    return [];
  }
}

/** bash takes a word apart at = and :, and replaces what is behind them alone. */
function withoutBreaks(words: readonly string[]): string[] {
  const whole: string[] = [];
  for (const word of words) {
    if (word === "=" && whole.at(-1)?.startsWith("--")) continue;
    if (word === ":") whole.pop();
    else whole.push(word);
  }
  return words.at(-1) === "=" || words.at(-1) === ":" ? [...whole, ""] : whole;
}

/** A word as the shell passes it on: what is typed may have quotes, and a `~` for the home. */
function passedOn(word: string): string {
  const whole = word.replace(/^~(?=\/)/, homedir());
  if (!/['"\\]/.test(whole)) return whole;
  return (
    shellWords(whole)
      ?.map(({ text }) => text)
      .join(" ") ?? whole
  );
}

/** Whether several stand in one word, as in a pattern of hosts. */
function listed({ command, option, positionals }: Typed): boolean {
  if (option !== undefined) return ["limit", "tags", "skip-tags"].includes(option);
  return command === "exec" || (command === "remove" && positionals.length === 1);
}

async function readWords(words: readonly string[], commands: Commands): Promise<Typed | undefined> {
  const [command, ...rest] = words.slice(0, -1).map(passedOn);
  const last = words.at(-1) ?? "";
  const options: Options =
    command === undefined ? {} : ((await commands[command]?.())?.options ?? playbookOptions);
  const positionals: string[] = [];
  const inventories: string[] = [];
  let option: string | undefined;
  for (const word of rest) {
    // Behind it is another program's command line.
    if (word === "--") return undefined;
    if (option !== undefined) {
      if (option === "inventory") inventories.push(word);
      option = undefined;
      continue;
    }
    const [, long, value] = /^--([\w-]+)(?:=([\s\S]*))?$/.exec(word) ?? [];
    const name = long ?? byShort(options, word);
    if (name === undefined) positionals.push(word);
    else if (value !== undefined && name === "inventory") inventories.push(value);
    else if (value === undefined && options[name]?.type === "string") option = name;
  }
  return { command, options, positionals, inventories, option, last };
}

function byShort(options: Options, word: string): string | undefined {
  return Object.entries(options).find(([, { short }]) => short !== undefined && word === `-${short}`)?.[0];
}

/** The words of options that take one of a few. */
const wordsOf: Readonly<Record<string, readonly string[]>> = {
  output: ["pretty", "plain", "json"],
  connection: ["ssh", "local"],
  "become-method": becomeMethods,
  "become-user": ["root"],
  "host-key-checking": ["strict", "accept-new", "off"],
  gate: ["on", "strict", "off"],
  order: ["inventory", "reverse", "sorted", "shuffle"],
  "on-failure": ["stop", "rollback"],
};

async function candidates(typed: Typed, commands: Commands): Promise<Completion[]> {
  const { command, options, positionals, option, last } = typed;
  if (option === "limit" || option === "host") return hostsOf(await inventoryOf(typed), option === "limit");
  if (option === "inventory") return named(inventoryNames(), "inventory");
  if (option === "tags" || option === "skip-tags") return named(await tagsOf(typed), "tag");
  if (option !== undefined) return named(wordsOf[option] ?? [], "");
  if (last.startsWith("-"))
    return Object.entries(options).map(([name, { help }]) => ({ word: `--${name}`, means: help }));
  if (command === undefined)
    return [...named(Object.keys(commands), "command"), ...named(playbookNames(), "playbook")];
  const place = positionals.length;
  if (command === "exec" && place === 0) return hostsOf(await inventoryOf(typed), true);
  if (command === "remove" && place === 0) return named(playbookNames(), "playbook");
  if (command === "remove" && place === 1) return hostsOf(await inventoryOf(typed), false);
  if (command === "doc" && place === 0)
    return [...named(playbookNames(), "playbook"), ...named(taskNames(), "task")];
  if (command === "completion" && place === 0) return named(shells, "shell");
  if (command === "lab" && place === 0) return named(await labVerbs(), "");
  if (command === "lab") return hostsOf(await inventoryOf(typed), false);
  return [];
}

function named(words: readonly string[], means: string): Completion[] {
  return words.map((word) => ({ word, means }));
}

async function labVerbs(): Promise<readonly string[]> {
  return (await import("./lab-command.ts")).verbs;
}

function hostsOf(inventory: Inventory, withGroups: boolean): Completion[] {
  const hosts = inventory.hosts.map(({ name }) => name);
  const groups = withGroups ? [...inventory.groups.keys()] : [];
  return [...named(hosts, "host"), ...named(groups, "group")];
}

function inventoryOf({ inventories }: Typed): Promise<Inventory> {
  const set = ansibleSettings(inventories.length > 0 ? { inventory: [...inventories] } : {});
  return loadInventory(inventories.length > 0 ? inventories : (set.inventory ?? ["lab"]), new Map());
}

/** The tags of the playbook that is being run, as far as its tasks are known without its hosts. */
async function tagsOf(typed: Typed): Promise<string[]> {
  const file = resolvePlaybookPath(typed.command ?? "");
  const playbook = await loadPlaybook(file, door());
  const [{ prepare }, { tagsIn }] = await Promise.all([import("../run/prepare.ts"), import("./listings.ts")]);
  return tagsIn(playbook, prepare({ playbook, inventory: await inventoryOf(typed), extraVars: new Map() }));
}

function playbookNames(): string[] {
  return filesIn(["playbooks", join(packageDir, "playbooks")], ".ts");
}

function taskNames(): string[] {
  return filesIn([join(packageDir, "tasks")], ".ts").filter((name) => name !== "index");
}

function inventoryNames(): string[] {
  return filesIn(["inventory", join(packageDir, "inventory")], ".yaml");
}

/** The names of files in these folders, without their ending. */
function filesIn(folders: readonly string[], ending: string): string[] {
  const files = folders.flatMap((folder) => (existsSync(resolve(folder)) ? readdirSync(folder) : []));
  const names = files.filter((file) => extname(file) === ending).map((file) => basename(file, ending));
  return [...new Set(names)].sort();
}
