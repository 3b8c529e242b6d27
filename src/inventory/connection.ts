import { homedir } from "node:os";
import { resolve } from "node:path";
import { type TSchema, Type } from "typebox";
import { CausewayError, type Position } from "../errors.ts";
import { type BecomeMethod, becomeMethods, type ConnectionTarget } from "../host/session.ts";
import { nearest } from "../schema/nearest.ts";
import { coerce, validate } from "../schema/schema.ts";
import { secret } from "../schema/types.ts";
import { opened } from "../vault/sealed-value.ts";
import { readSshArguments } from "./ssh-arguments.ts";
import type { Remark, Variable } from "./types.ts";
import { askedUnread } from "./unread.ts";

const text = (description: string) => Type.Optional(Type.String({ description }));

/** The connection variables of Ansible that are read. */
export const connectionSchema = Type.Object({
  ansible_host: text("the address, if it differs from the name"),
  ansible_port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
  ansible_user: text("the user to log in as"),
  ansible_ssh_private_key_file: text("a private key; relative to the inventory"),
  ansible_private_key_file: text("the same"),
  ansible_connection: Type.Optional(
    Type.Union(
      [
        "ssh",
        "local",
        "smart",
        "paramiko",
        "paramiko_ssh",
        "ansible.builtin.ssh",
        "ansible.builtin.local",
      ].map((word) => Type.Literal(word)),
    ),
  ),
  ansible_become: Type.Optional(Type.Boolean()),
  ansible_become_user: Type.Optional(Type.Literal("root")),
  ansible_password: Type.Optional(secret(Type.String())),
  ansible_ssh_pass: Type.Optional(secret(Type.String())),
  ansible_become_password: Type.Optional(secret(Type.String())),
  ansible_become_pass: Type.Optional(secret(Type.String())),
  ansible_become_method: Type.Optional(
    Type.Union(
      [...becomeMethods, "ansible.builtin.sudo", "ansible.builtin.su", "community.general.doas"].map((word) =>
        Type.Literal(word),
      ),
      { description: "sudo, su or doas" },
    ),
  ),
});

/** Ansible's names of old, which win over those of today as they do there. */
const namesOfOld: Readonly<Record<string, string>> = {
  ansible_ssh_host: "ansible_host",
  ansible_ssh_port: "ansible_port",
  ansible_ssh_user: "ansible_user",
};
const sshArguments = /^ansible_ssh_(common_|extra_)?args$|^ansible_ssh_executable$/;

/** How a host is reached, and what is to be said of its connection variables. */
export interface JudgedConnection {
  target: ConnectionTarget;
  /** Errors once the host takes part. */
  faults: readonly CausewayError[];
  remarks: readonly Remark[];
}

/** How a host is reached, from its merged variables; files are relative to the inventory's folder. */
export function connectionOf(
  name: string,
  vars: ReadonlyMap<string, Variable>,
  folder: string,
): JudgedConnection {
  const given: Record<string, unknown> = {};
  const faults: CausewayError[] = [];
  const remarks: Remark[] = [];
  const followed: string[] = [];
  const properties = connectionSchema.properties;
  for (const [variable, { value, at, unread }] of [...vars].sort(thoseOfOldLast)) {
    if (!variable.startsWith("ansible_")) continue;
    const today = namesOfOld[variable] ?? variable;
    const place = at ? { at } : {};
    if (today in properties) {
      if (unread?.what === "template") faults.push(askedUnread("inventory", variable, unread));
      else {
        const property = properties[today as keyof typeof properties];
        const open = usable(value, variable);
        if (open instanceof CausewayError) faults.push(open);
        else given[today] = fitting(property, open);
      }
      if (today !== variable)
        remarks.push({ text: `${variable} is read as ${today}, its name today`, ...place });
    } else if (sshArguments.test(variable)) {
      if (unread?.what === "template") faults.push(askedUnread("inventory", variable, unread));
      else {
        const judged = sshArgument(variable, String(value), at);
        if (judged.fault) faults.push(judged.fault);
        if (judged.remark) remarks.push(judged.remark);
        followed.push(...judged.followed);
      }
    } else {
      const meant = nearest(variable, Object.keys(properties), 2);
      if (meant) remarks.push({ text: `${variable} is not read; did you mean ${meant}?`, ...place });
    }
  }
  const locate = (path: readonly (string | number)[]) => {
    const today = String(path[0]);
    const old = Object.keys(namesOfOld).find((key) => namesOfOld[key] === today && vars.has(key));
    return vars.get(old ?? today)?.at;
  };
  const subject = `connection of ${name}`;
  faults.push(...validate(connectionSchema, given, { code: "inventory", subject, locate }));
  const reached = target(name, given as Given, folder);
  return {
    target: followed.length > 0 ? { ...reached, sshArguments: followed } : reached,
    faults,
    remarks,
  };
}

function usable(value: unknown, variable: string): unknown {
  try {
    return opened(value, variable);
  } catch (error) {
    if (error instanceof CausewayError) return error;
    throw error;
  }
}

function thoseOfOldLast([a]: [string, Variable], [b]: [string, Variable]): number {
  return Number(a in namesOfOld) - Number(b in namesOfOld);
}

/** A number where a text is meant is its digits: an INI inventory has no other way to write a password of digits. */
function fitting(schema: TSchema, value: unknown): unknown {
  return Type.IsString(schema) && typeof value === "number" ? String(value) : coerce(schema, value);
}

/** ssh's own arguments: what says how the host is reached; what nobody knows is an error, for it may lead elsewhere. */
function sshArgument(
  variable: string,
  value: string,
  at: Position | undefined,
): { followed: readonly string[]; fault?: CausewayError; remark?: Remark } {
  const read = variable.endsWith("args")
    ? readSshArguments(value)
    : { followed: [], unread: [value], unchecked: false };
  const place = at ? { at } : {};
  if (read.unread.length > 0)
    return {
      followed: [],
      fault: new CausewayError("inventory", `${variable} cannot be followed`, {
        ...place,
        found: read.unread.join(" "),
        expected: "-J, -i, -l, -p, -4, -6, or -o with what ssh_config says of the way to a host",
        advice: `set the same in ~/.ssh/config, which is read, and empty it here: -e ${variable}=`,
      }),
    };
  if (!read.unchecked) return read;
  const text = `${variable} is not followed in one thing: host keys are checked all the same; --host-key-checking off (or accept-new) is the way not to`;
  return { ...read, remark: { text, ...place } };
}

type Given = Partial<Record<keyof typeof connectionSchema.properties, never>> &
  Record<string, string | number | boolean | undefined>;

function target(name: string, given: Given, folder: string): ConnectionTarget {
  const word = (...keys: string[]) =>
    keys.map((key) => given[key]).find((v) => v !== undefined) as string | undefined;
  const key = word("ansible_ssh_private_key_file", "ansible_private_key_file");
  const user = word("ansible_user");
  const password = word("ansible_password", "ansible_ssh_pass");
  const becomePassword = word("ansible_become_password", "ansible_become_pass");
  const method = word("ansible_become_method")?.split(".").at(-1);
  return {
    name,
    kind: String(given.ansible_connection).endsWith("local") ? "local" : "ssh",
    address: word("ansible_host") ?? name,
    become: given.ansible_become === true,
    ...(given.ansible_port === undefined ? {} : { port: Number(given.ansible_port) }),
    ...(user === undefined ? {} : { user }),
    ...(key === undefined
      ? {}
      : { privateKeyFile: resolve(folder, String(key).replace(/^~(?=\/)/, homedir())) }),
    ...(password === undefined ? {} : { password: String(password) }),
    ...(method === undefined ? {} : { becomeMethod: method as BecomeMethod }),
    ...(becomePassword === undefined ? {} : { becomePassword: String(becomePassword) }),
  };
}
