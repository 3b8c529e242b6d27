import { CausewayError } from "../errors.ts";
import { becomeMethods, type ConnectionTarget, type SessionOptions } from "../host/session.ts";
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
import { askHidden, hasTerminal } from "./ask-hidden.ts";
import { askSecret } from "./ask-secret.ts";
import { secretFromFile } from "./secret-file.ts";
import { vaultOf, type vaultOptions } from "./vault-options.ts";

/** The inventory that the command line names, or Ansible's settings; the embedded lab's, if neither does. */
export async function inventoryOf(
  values: Values<typeof inventoryOptions & typeof vaultOptions>,
  playbookFolder?: string,
): Promise<{ inventory: Inventory; extraVars: Map<string, Variable> }> {
  const vault = await vaultOf(values);
  const extraVars = parseExtraVars(values["extra-vars"] ?? [], vault);
  const { inventory, notes } = ansibleSettings(values);
  for (const note of notes) process.stderr.write(`${note}\n`);
  const named = values.inventory ?? inventory ?? ["lab"];
  return { extraVars, inventory: await loadInventory(named, extraVars, playbookFolder, vault) };
}

/** The session's options, from the command line; `pause` stops a live display while a person is asked, and gives what goes on. */
export function sessionOptions(
  values: Values<typeof connectionOptions>,
  signal: AbortSignal,
  pause?: () => () => void,
): SessionOptions {
  const seconds = (name: "timeout" | "command-timeout", fallback: number) =>
    numberOption(name, values[name], fallback, 0.1) * 1000;
  const config = values["ssh-config"];
  return {
    hostKeyChecking:
      wordOption("host-key-checking", values["host-key-checking"], ["strict", "accept-new", "off"]) ??
      "strict",
    connectTimeoutMs: seconds("timeout", ansibleSettings(values).timeout ?? 10),
    commandTimeoutMs: seconds("command-timeout", 120),
    signal,
    ...(hasTerminal() ? { ask: (question: string) => askHidden(question, pause) } : {}),
    ...(config === undefined ? {} : { sshConfigFile: config }),
  };
}

/**
 * The inventory as it is connected to: the command line's user, key, passwords and way to become root where the inventory says
 * nothing, and for hosts of an embedded lab, which is brought up when it is down, the lab's own keys.
 */
export async function reachable(
  inventory: Inventory,
  values: Values<typeof connectionOptions>,
  progress: (text: string) => void,
): Promise<Inventory> {
  const settings = ansibleSettings(values);
  const { kind, becomeMethod } = judgedConnection(values);
  const { password, becomePassword } = await passwordsOf(values);
  const lab = inventory.lab ? await labHosts(inventory.lab, progress) : undefined;
  const target = (host: InventoryHost): ConnectionTarget => {
    const given = host.connection;
    const isLab = lab?.names.has(host.name) === true;
    const user = given.user ?? values.user ?? (isLab ? "root" : settings.user);
    const key =
      given.privateKeyFile ?? values["private-key"] ?? (isLab ? lab.privateKeyFile : settings.privateKey);
    return {
      ...(password === undefined ? {} : { password }),
      ...(becomePassword === undefined ? {} : { becomePassword }),
      ...(becomeMethod === undefined ? {} : { becomeMethod }),
      ...given,
      ...(kind === undefined || "ansible_connection" in host.vars ? {} : { kind }),
      become: given.become || values.become === true || values["ask-become-pass"] === true,
      ...(user === undefined ? {} : { user }),
      ...(key === undefined ? {} : { privateKeyFile: key }),
      ...(isLab ? { knownHostsFiles: [lab.knownHostsFile] } : {}),
    };
  };
  return {
    ...inventory,
    hosts: inventory.hosts.map((host) => ({ ...host, connection: target(host) })),
  };
}

/** How hosts are reached by the words of the command line; an error names what is none. */
export function judgedConnection(values: Values<typeof connectionOptions>) {
  const connection = wordOption("connection", values.connection, ["ssh", "local", "smart", "paramiko"]);
  const becomeMethod = wordOption("become-method", values["become-method"], becomeMethods);
  const user = values["become-user"];
  if (user !== undefined && user !== "root")
    throw new CausewayError("usage", `--become-user ${user}: a session works as root alone`, {
      expected: "--become-user root, or no --become-user",
      advice: `for a command as another user, a task can run: runuser -u ${user} -- COMMAND`,
    });
  const kind = connection && (connection === "local" ? "local" : "ssh");
  return { kind, becomeMethod } as const;
}

/** What a person or a file says of passwords; as in Ansible, that of the login is the default for becoming root. */
async function passwordsOf(values: Values<typeof connectionOptions>) {
  const from = (option: "connection-password-file" | "become-password-file") => {
    const file = values[option];
    return file === undefined ? undefined : secretFromFile(`--${option}`, file);
  };
  const password = values["ask-pass"]
    ? await askSecret("SSH password: ", "-k", "give --connection-password-file FILE, or use a key")
    : from("connection-password-file");
  if (!values["ask-become-pass"]) return { password, becomePassword: from("become-password-file") };
  const label = password === undefined ? "" : " [the same as for SSH]";
  const instead = "give --become-password-file FILE, or allow sudo without a password";
  const asked = await askSecret(`BECOME password${label}: `, "-K", instead);
  return { password, becomePassword: asked === "" && password !== undefined ? password : asked };
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
