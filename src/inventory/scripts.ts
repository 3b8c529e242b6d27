import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { CausewayError, type ErrorCode } from "../errors.ts";
import type { Vault } from "../vault/vault.ts";
import type { Layout } from "./layout.ts";
import { readYaml } from "./yaml-document.ts";
import { addDocument, isMapping } from "./yaml-layout.ts";

/** Whether a file is executed rather than read; a script that may not be executed is an error. */
export function isScript(file: string, text: string, code: ErrorCode = "inventory"): boolean {
  if (!/^(#!|\x7fELF)/.test(text)) return false;
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    throw new CausewayError(code, `${file} is a script that is not executable`, {
      advice: `chmod +x ${file}`,
    });
  }
}

/** A script that answers `--list` with Ansible's JSON; one that gives no `_meta.hostvars` is asked for each host with `--host`. */
export async function addScript(layout: Layout, file: string, vault: Vault): Promise<void> {
  const stdout = await answerOf(file, "--list");
  const listed = readYaml(`${file} --list`, stdout, "inventory").value;
  if (!isMapping(listed)) throw notAnsibles(file, stdout);
  const hostvars = isMapping(listed._meta) ? listed._meta.hostvars : undefined;
  const varsOf = async (host: string): Promise<unknown> =>
    isMapping(hostvars)
      ? hostvars[host]
      : readYaml(`${file} --host ${host}`, await answerOf(file, "--host", host), "inventory").value;
  const groups: Record<string, unknown> = {};
  for (const [name, body] of Object.entries(listed))
    if (name !== "_meta") groups[name] = await groupFrom(file, name, body, varsOf);
  addDocument(layout, file, readYaml(`${file} --list`, JSON.stringify(groups), "inventory", vault));
}

/** A group as a script prints it: a list of hosts, a mapping, or, as of old, the variables of a host of that name. */
async function groupFrom(
  file: string,
  name: string,
  body: unknown,
  varsOf: (host: string) => Promise<unknown>,
): Promise<unknown> {
  const fault = () => notAnsibles(file, `${name}: ${JSON.stringify(body)}`);
  const given = Array.isArray(body) ? { hosts: body } : body;
  if (!isMapping(given)) throw fault();
  const isGroup = ["hosts", "children", "vars"].some((key) => key in given);
  const { hosts = [], children = [], vars = null } = isGroup ? given : { hosts: [name], vars: given };
  if (!Array.isArray(hosts) || !Array.isArray(children)) throw fault();
  return {
    hosts: Object.fromEntries(
      await Promise.all(hosts.map(async (h) => [h, (await varsOf(String(h))) ?? null])),
    ),
    children: Object.fromEntries(children.map((c) => [c, null])),
    vars,
  };
}

async function answerOf(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(resolve(file), args, {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
  }).catch((error: { stderr?: string; message: string }) => {
    throw new CausewayError("inventory", `the inventory script ${file} failed`, {
      command: [file, ...args].join(" "),
      output: error.stderr || error.message,
    });
  });
  return stdout;
}

function notAnsibles(file: string, found: string): CausewayError {
  return new CausewayError("inventory", `what ${file} --list prints is not an inventory`, {
    at: { file: `${file} --list`, line: 1, column: 1 },
    found: found.trim().slice(0, 60) || "nothing",
    expected: '{"docker": {"hosts": ["docker-200"], "vars": {}}, "_meta": {"hostvars": {}}}',
  });
}
