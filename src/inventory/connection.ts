import { homedir } from "node:os";
import { resolve } from "node:path";
import { Type } from "typebox";
import { CausewayError } from "../errors.ts";
import type { ConnectionTarget } from "../host/session.ts";
import { nearest } from "../schema/nearest.ts";
import { coerce, validate } from "../schema/schema.ts";
import { secret } from "../schema/types.ts";
import type { Variable } from "./types.ts";

const text = (description: string) => Type.Optional(Type.String({ description }));

/** The connection variables of Ansible that are supported. */
export const connectionSchema = Type.Object({
  ansible_host: text("the address, if it differs from the name"),
  ansible_port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
  ansible_user: text("the user to log in as"),
  ansible_ssh_private_key_file: text("a private key; relative to the inventory"),
  ansible_private_key_file: text("the same"),
  ansible_connection: Type.Optional(
    Type.Union(["ssh", "local", "smart", "paramiko"].map((word) => Type.Literal(word))),
  ),
  ansible_become: Type.Optional(Type.Boolean()),
  ansible_become_user: Type.Optional(Type.Literal("root")),
  ansible_password: Type.Optional(secret(Type.String())),
  ansible_ssh_pass: Type.Optional(secret(Type.String())),
  ansible_become_password: Type.Optional(secret(Type.String())),
  ansible_become_pass: Type.Optional(secret(Type.String())),
  ansible_become_method: Type.Optional(Type.Literal("sudo")),
});

const ignored = /^ansible_(python_interpreter|group_priority|shell_type|shell_executable|facts|managed)$/;
const refusedArgs = /^ansible_ssh_(common|extra)_args$|^ansible_ssh_executable$/;

/** Variables whose values are never shown. */
export const secretVariables = /pass(word)?$/;

/** How a host is reached, from its merged variables; files are relative to the inventory's folder. Misspelt or mistyped connection variables are errors. */
export function connectionOf(
  name: string,
  vars: ReadonlyMap<string, Variable>,
  folder: string,
): { target: ConnectionTarget; errors: CausewayError[] } {
  const given: Record<string, unknown> = {};
  const errors: CausewayError[] = [];
  const properties = connectionSchema.properties;
  for (const [variable, { value, at }] of vars) {
    if (!variable.startsWith("ansible_") || ignored.test(variable)) continue;
    if (variable in properties) {
      given[variable] = coerce(properties[variable as keyof typeof properties], value);
      continue;
    }
    const today = variable.replace("ansible_ssh_", "ansible_");
    const meant = today in properties ? today : nearest(variable, Object.keys(properties), 2);
    if (refusedArgs.test(variable))
      errors.push(
        new CausewayError("inventory", `${variable} is not supported`, {
          ...(at ? { at } : {}),
          advice:
            "set the same in ~/.ssh/config, which is read (HostName, User, Port, IdentityFile, ProxyJump)",
        }),
      );
    else if (meant)
      errors.push(
        new CausewayError("inventory", `${variable} is not known`, {
          ...(at ? { at } : {}),
          advice: `did you mean ${meant}?`,
        }),
      );
  }
  errors.push(
    ...validate(connectionSchema, given, {
      code: "inventory",
      subject: `connection of ${name}`,
      locate: (path) => vars.get(String(path[0]))?.at,
    }),
  );
  return { target: target(name, given as Given, folder), errors };
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
  return {
    name,
    kind: given.ansible_connection === "local" ? "local" : "ssh",
    address: word("ansible_host") ?? name,
    become: given.ansible_become === true,
    ...(given.ansible_port === undefined ? {} : { port: Number(given.ansible_port) }),
    ...(user === undefined ? {} : { user }),
    ...(key === undefined
      ? {}
      : { privateKeyFile: resolve(folder, String(key).replace(/^~(?=\/)/, homedir())) }),
    ...(password === undefined ? {} : { password: String(password) }),
    ...(becomePassword === undefined ? {} : { becomePassword: String(becomePassword) }),
  };
}
