import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CausewayError } from "../errors.ts";
import type { ConnectionTarget, SessionOptions } from "../host/session.ts";
import { parseExtraVars } from "../inventory/extra-vars.ts";
import { loadInventory } from "../inventory/load.ts";
import type { Inventory, InventoryHost, Variable } from "../inventory/types.ts";
import { ansibleSettings } from "./ansible-config.ts";
import {
  type connectionOptions,
  type inventoryOptions,
  numberOption,
  type Values,
  wordOption,
} from "./arguments.ts";

/** The inventory that the command line names, or Ansible's settings; the embedded lab's, if neither does. */
export async function inventoryOf(
  values: Values<typeof inventoryOptions>,
  playbookFolder?: string,
): Promise<{ inventory: Inventory; extraVars: Map<string, Variable> }> {
  const extraVars = parseExtraVars(values["extra-vars"] ?? []);
  const { inventory, notes } = ansibleSettings(values);
  for (const note of notes) process.stderr.write(`${note}\n`);
  const named = values.inventory ?? inventory ?? ["lab"];
  return { extraVars, inventory: await loadInventory(named, extraVars, playbookFolder) };
}

/** The session's options, from the command line. */
export function sessionOptions(
  values: Values<typeof connectionOptions>,
  signal: AbortSignal,
): SessionOptions {
  const seconds = (name: "connect-timeout" | "command-timeout", fallback: number) =>
    numberOption(name, values[name], fallback, 0.1) * 1000;
  const config = values["ssh-config"];
  return {
    hostKeyChecking:
      wordOption("host-key-checking", values["host-key-checking"], ["strict", "accept-new", "off"]) ??
      "strict",
    connectTimeoutMs: seconds("connect-timeout", 10),
    commandTimeoutMs: seconds("command-timeout", 120),
    signal,
    ...(config === undefined ? {} : { sshConfigFile: config }),
  };
}

/**
 * The inventory as it is connected to: the command line's user, key and sudo where the inventory says nothing, and for
 * hosts of an embedded lab, which is brought up when it is down, the lab's own keys.
 */
export async function reachable(
  inventory: Inventory,
  values: Values<typeof connectionOptions>,
  progress: (text: string) => void,
): Promise<Inventory> {
  const settings = ansibleSettings(values);
  const lab = inventory.lab ? await labHosts(inventory.lab, progress) : undefined;
  const password = values["ask-become-pass"] ? await askPassword() : undefined;
  const target = (host: InventoryHost): ConnectionTarget => {
    const given = host.connection;
    const isLab = lab?.names.has(host.name) === true;
    const user = given.user ?? values.user ?? (isLab ? "root" : settings.user);
    const key =
      given.privateKeyFile ?? values["private-key"] ?? (isLab ? lab.privateKeyFile : settings.privateKey);
    const become = given.become || values.become === true || values["ask-become-pass"] === true;
    const becomePassword = given.becomePassword ?? password;
    return {
      ...given,
      become,
      ...(user === undefined ? {} : { user }),
      ...(key === undefined ? {} : { privateKeyFile: key }),
      ...(becomePassword === undefined ? {} : { becomePassword }),
      ...(isLab ? { knownHostsFiles: [lab.knownHostsFile] } : {}),
    };
  };
  return {
    ...inventory,
    hosts: inventory.hosts.map((host) => ({ ...host, connection: target(host) })),
  };
}

async function labHosts(spec: NonNullable<Inventory["lab"]>, progress: (text: string) => void) {
  const { installPrerequisites, labUse, missingPrerequisites } = await import("../lab/index.ts");
  await installPrerequisites(missingPrerequisites(), progress);
  const { privateKeyFile, knownHostsFile } = await labUse(
    spec,
    commandWords(process.argv.slice(2)),
    progress,
  );
  return { privateKeyFile, knownHostsFile, names: new Set(spec.hosts.map((h) => h.name)) };
}

/** The command as others are told of it: its first words, without the values of options, which may be secret. */
function commandWords(args: readonly string[]): string {
  const option = args.findIndex((word) => word.startsWith("-"));
  return ["run", ...(option < 0 ? args : args.slice(0, option))].join(" ");
}

/** Reads a password from the terminal without showing it. */
async function askPassword(): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CausewayError("usage", "-K asks for a password, and there is no terminal to ask on", {
      advice: "set ansible_become_password in host_vars/, or allow sudo without a password",
    });
  }
  process.stderr.write("BECOME password: ");
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise((resolve, reject) => {
    lines.question("", (answer) => {
      process.stderr.write("\n");
      lines.close();
      resolve(answer);
    });
    lines.once("SIGINT", () => {
      lines.close();
      reject(new CausewayError("interrupted", "stopped before anything was done"));
    });
  });
}
