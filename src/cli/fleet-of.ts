import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CausewayError } from "../errors.ts";
import type { ConnectionTarget, SessionOptions } from "../host/session.ts";
import { parseExtraVars } from "../inventory/extra-vars.ts";
import { loadInventory } from "../inventory/load.ts";
import type { Inventory, InventoryHost, Variable } from "../inventory/types.ts";
import {
  type connectionOptions,
  type inventoryOptions,
  numberOption,
  type Values,
  wordOption,
} from "./arguments.ts";

/** The inventory that the command line names; the embedded lab's, if it names none. */
export async function inventoryOf(
  values: Values<typeof inventoryOptions>,
): Promise<{ inventory: Inventory; extraVars: Map<string, Variable> }> {
  const extraVars = parseExtraVars(values["extra-vars"] ?? []);
  return { extraVars, inventory: await loadInventory(values.inventory ?? ["lab"], extraVars) };
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
  const lab = inventory.lab ? await labHosts(inventory.lab, progress) : undefined;
  const password = values["ask-become-pass"] ? await askPassword() : undefined;
  const target = (host: InventoryHost): ConnectionTarget => {
    const given = host.connection;
    const user = given.user ?? values.user ?? (lab?.names.has(host.name) ? "root" : undefined);
    const key =
      given.privateKeyFile ??
      values["private-key"] ??
      (lab?.names.has(host.name) ? lab.privateKeyFile : undefined);
    const become = given.become || values.become === true || values["ask-become-pass"] === true;
    const becomePassword = given.becomePassword ?? password;
    return {
      ...given,
      become,
      ...(user === undefined ? {} : { user }),
      ...(key === undefined ? {} : { privateKeyFile: key }),
      ...(becomePassword === undefined ? {} : { becomePassword }),
      ...(lab?.names.has(host.name) ? { knownHostsFiles: [lab.knownHostsFile] } : {}),
    };
  };
  return {
    ...inventory,
    hosts: inventory.hosts.map((host) => ({
      ...host,
      whereIs: (variable: string) => host.whereIs(variable),
      connection: target(host),
    })),
  };
}

async function labHosts(spec: NonNullable<Inventory["lab"]>, progress: (text: string) => void) {
  const { installPrerequisites, labConnection, labStatus, labUp, missingPrerequisites } = await import(
    "../lab/index.ts"
  );
  await installPrerequisites(missingPrerequisites(), progress);
  if (!(await labStatus(spec)).up) await labUp(spec, progress);
  const { privateKeyFile, knownHostsFile } = labConnection(spec);
  return { privateKeyFile, knownHostsFile, names: new Set(spec.hosts.map((h) => h.name)) };
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
