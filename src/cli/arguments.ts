import { type ParseArgsConfig, parseArgs } from "node:util";
import { CausewayError } from "../errors.ts";
import { ownCommand } from "../own-command.ts";
import { nearest } from "../schema/nearest.ts";
import { insteadOf } from "./instead.ts";

/** One option of the command line, with its line in the help. */
export interface Option {
  type: "string" | "boolean";
  short?: string;
  multiple?: boolean;
  /** Its other names, as Ansible has them; they stand in no list. */
  also?: readonly string[];
  /** The placeholder of its value. */
  value?: string;
  help: string;
}

export type Options = Readonly<Record<string, Option>>;

type Value<O extends Option> = O["type"] extends "boolean"
  ? boolean
  : O["multiple"] extends true
    ? string[]
    : string;
export type Values<O extends Options> = { readonly [K in keyof O]?: Value<O[K]> };

/** What names the hosts, for every command that has to do with them. */
export const inventoryOptions = {
  inventory: {
    type: "string",
    short: "i",
    multiple: true,
    value: "FILE",
    help: "inventory: a file, a folder, a name in inventory/, or host,host (default: Ansible's setting, or lab)",
  },
  limit: { type: "string", short: "l", value: "PATTERN", help: "only these hosts; @FILE has one a line" },
  "extra-vars": {
    type: "string",
    short: "e",
    multiple: true,
    value: "VARS",
    help: "name=value, '{\"name\": …}' or @FILE; they override all others",
  },
} as const satisfies Options;

/** How hosts are reached. What the inventory says of a host wins, as in Ansible. */
export const connectionOptions = {
  user: {
    type: "string",
    short: "u",
    value: "NAME",
    help: "log in as this user, unless the inventory sets one",
  },
  "private-key": {
    type: "string",
    also: ["key-file"],
    value: "FILE",
    help: "use this private key, unless the inventory sets one (also --key-file)",
  },
  connection: {
    type: "string",
    short: "c",
    value: "TYPE",
    help: "ssh (default) or local, unless the inventory sets one",
  },
  "ask-pass": { type: "boolean", short: "k", help: "ask for the password of the login" },
  "connection-password-file": {
    type: "string",
    also: ["conn-pass-file"],
    value: "FILE",
    help: "that password: a file, or a program that prints it",
  },
  become: { type: "boolean", short: "b", help: "become root" },
  "become-method": { type: "string", value: "METHOD", help: "by sudo (default), su or doas" },
  "become-user": { type: "string", value: "NAME", help: "root; a session works as no other user" },
  "ask-become-pass": { type: "boolean", short: "K", help: "become root, and ask for the password of that" },
  "become-password-file": {
    type: "string",
    also: ["become-pass-file"],
    value: "FILE",
    help: "that password: a file, or a program that prints it",
  },
  "host-key-checking": { type: "string", value: "MODE", help: "strict (default), accept-new or off" },
  "ssh-config": {
    type: "string",
    value: "FILE",
    help: "use this file instead of ~/.ssh/config; none: use no file",
  },
  forks: {
    type: "string",
    short: "f",
    value: "N",
    help: "connect to N hosts at a time (default 64)",
  },
  timeout: {
    type: "string",
    short: "T",
    value: "SECONDS",
    help: "time limit of a connection attempt (default 10)",
  },
  "command-timeout": { type: "string", value: "SECONDS", help: "time limit of one command (default 120)" },
  "run-timeout": { type: "string", value: "SECONDS", help: "time limit of the whole run (default: none)" },
} as const satisfies Options;

/** How a run is shown. */
export const outputOptions = {
  verbose: {
    type: "boolean",
    short: "v",
    help: "show every line, every command with its time, and what a step says as it comes",
  },
  diff: { type: "boolean", short: "D", help: "show the changes in files as a diff" },
  output: {
    type: "string",
    value: "HOW",
    help: "pretty (on a terminal), plain (elsewhere) or json (one event a line)",
  },
  report: { type: "string", value: "FILE", help: "write the run as a page for a browser, too" },
  junit: { type: "string", value: "FILE", help: "write tasks and pairs as JUnit's XML, too" },
} as const satisfies Options;

export const helpOption = {
  help: { type: "boolean", short: "h", help: "show this help" },
  version: { type: "boolean", help: "print the version of causeway and stop" },
} as const satisfies Options;

/** Takes the command line apart; a misspelt option is an error with the nearest name. */
export function parse<O extends Options>(
  options: O,
  args: readonly string[],
): { values: Values<O>; positionals: string[] } {
  const given = args.map((word) => withoutAlias(options, word));
  try {
    const { values, positionals } = parseArgs({
      args: given,
      options: options as unknown as NonNullable<ParseArgsConfig["options"]>,
      allowPositionals: true,
      strict: true,
    });
    return { values: values as Values<O>, positionals };
  } catch (error) {
    throw usage(error as Error & { code?: string }, Object.keys(options), given);
  }
}

/** `--key-file=x` as `--private-key=x`. */
function withoutAlias(options: Options, word: string): string {
  const [, name = "", rest = ""] = /^--([\w-]+)(=[\s\S]*)?$/.exec(word) ?? [];
  const known = Object.entries(options).find(([, { also = [] }]) => also.includes(name));
  return known ? `--${known[0]}${rest}` : word;
}

function usage(error: Error, known: readonly string[], args: readonly string[]): CausewayError {
  const ambiguous = /Option '(--[\w-]+)' argument is ambiguous/.exec(error.message)?.[1];
  if (ambiguous !== undefined)
    return new CausewayError(
      "usage",
      `${ambiguous} takes a value, and what follows it looks like an option`,
      {
        found: args.join(" "),
        advice: `a value that begins with a dash is written ${ambiguous}=VALUE`,
      },
    );
  const unknown = /Unknown option '(-{1,2})([^']+)'/.exec(error.message);
  if (!unknown)
    return new CausewayError("usage", error.message.split("\n")[0] ?? "", {
      advice: `see ${ownCommand("--help")}`,
    });
  const [, dashes = "", name = ""] = unknown;
  return new CausewayError("usage", `unknown option ${dashes}${name}`, {
    found: args.join(" "),
    advice: insteadOf(`${dashes}${name}`) ?? meantBy(name, dashes, known),
  });
}

function meantBy(name: string, dashes: string, known: readonly string[]): string {
  if (dashes !== "--") return `${ownCommand("--help")} lists all options`;
  // Python takes the beginning of an option for the whole.
  const longer = known.filter((one) => one.startsWith(name));
  const meant = longer.length === 1 ? longer[0] : nearest(name, known, 3);
  return meant ? `did you mean --${meant}?` : `${ownCommand("--help")} lists all options`;
}

/** A number that an option gave, or its default. */
export function numberOption(name: string, text: string | undefined, fallback: number, least = 1): number {
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!Number.isFinite(number) || number < least) {
    throw new CausewayError("usage", `--${name} takes a number of at least ${least}`, { found: text });
  }
  return number;
}

/** A whole number that an option gave, or its default. */
export function wholeOption(name: string, text: string | undefined, fallback: number, least = 1): number {
  const number = numberOption(name, text, fallback, least);
  if (Number.isInteger(number)) return number;
  throw new CausewayError("usage", `--${name} takes a whole number`, { found: text ?? "" });
}

const units = { ms: 1, s: 1000, m: 60_000 } as const;

/** A time that an option gave, in milliseconds. */
export function durationOption(name: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(number) * units[unit as keyof typeof units];
  if (ms > 0 && Number.isFinite(ms)) return ms;
  throw new CausewayError("usage", `--${name} takes a time of more than nothing, with its unit`, {
    found: text,
    expected: "a number and ms, s or m: 500ms, 2s, 1m",
  });
}

/** One of a few words that an option gave. */
export function wordOption<W extends string>(
  name: string,
  text: string | undefined,
  words: readonly W[],
): W | undefined {
  if (text === undefined) return undefined;
  const found = words.find((w) => w === text);
  if (found) return found;
  const meant = nearest(text, words);
  throw new CausewayError("usage", `--${name} takes ${words.join(", ")}`, {
    found: text,
    ...(meant ? { advice: `did you mean ${meant}?` } : {}),
  });
}
