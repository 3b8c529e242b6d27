import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { CausewayError } from "../errors.ts";
import { type connectionOptions, type inventoryOptions, type Values, wholeOption } from "./arguments.ts";

type Given = Values<typeof inventoryOptions & typeof connectionOptions>;

/** A setting of Ansible's, from its variable in the environment or from ansible.cfg. */
interface Setting {
  value: string;
  /** `ANSIBLE_INVENTORY`, or `inventory in ./ansible.cfg`. */
  from: string;
  /** What a path in it is relative to. */
  folder: string;
}

/** What Ansible is set to on this machine, for options that the command line leaves out. */
export interface AnsibleSettings {
  inventory?: readonly string[];
  user?: string;
  privateKey?: string;
  forks?: number;
  /** Of a connection attempt, in seconds. */
  timeout?: number;
  /** A file with the password of vaults, or a program that prints it. */
  vaultPasswordFile?: string;
  /** What was taken over and from where, and what was not, a line each. */
  notes: readonly string[];
}

/**
 * Takes over Ansible's inventory, user, key and number of forks: from ANSIBLE_INVENTORY, ANSIBLE_REMOTE_USER,
 * ANSIBLE_PRIVATE_KEY_FILE and ANSIBLE_FORKS, or from the first ansible.cfg that Ansible would read. That it does not look at host
 * keys is named and not taken over.
 * Source: "Ansible Configuration Settings" in Ansible's documentation.
 */
export function ansibleSettings(values: Given, env: NodeJS.ProcessEnv = process.env): AnsibleSettings {
  const config = readOnce(env);
  const notes = [...config.notes];
  const lookUp = (variable: string, key: string): Setting | undefined => {
    const set = env[variable];
    if (set) return { value: set, from: variable, folder: process.cwd() };
    const value = config.defaults.get(key);
    return value ? { value, from: `${key} in ${config.file}`, folder: dirname(config.file) } : undefined;
  };
  const path = ({ value, folder }: Setting) => resolve(folder, value.replace(/^~(?=\/)/, homedir()));
  const inventory = values.inventory ? undefined : lookUp("ANSIBLE_INVENTORY", "inventory");
  if (inventory) notes.push(`inventory ${inventory.value}, because of ${inventory.from}; -i names another`);
  const user = values.user === undefined ? lookUp("ANSIBLE_REMOTE_USER", "remote_user") : undefined;
  const key =
    values["private-key"] === undefined ? lookUp("ANSIBLE_PRIVATE_KEY_FILE", "private_key_file") : undefined;
  const forks = values.forks === undefined ? lookUp("ANSIBLE_FORKS", "forks") : undefined;
  const timeout = values.timeout === undefined ? lookUp("ANSIBLE_TIMEOUT", "timeout") : undefined;
  const vault = lookUp("ANSIBLE_VAULT_PASSWORD_FILE", "vault_password_file");
  const checking = lookUp("ANSIBLE_HOST_KEY_CHECKING", "host_key_checking");
  if (checking && values["host-key-checking"] === undefined && /^(false|no|off|0)$/i.test(checking.value))
    notes.push(
      `${checking.from} is not followed: host keys are checked; --host-key-checking off is the way not to`,
    );
  for (const [variable, key, instead] of notFollowed) {
    const setting = lookUp(variable, key);
    if (setting && !meansNothing.test(setting.value))
      notes.push(`${setting.from} is not followed: ${instead}`);
  }
  return {
    ...(inventory ? { inventory: sourcesOf(inventory) } : {}),
    ...(user ? { user: user.value } : {}),
    ...(key ? { privateKey: path(key) } : {}),
    ...(forks ? { forks: numberFrom(forks, "--forks") } : {}),
    ...(timeout ? { timeout: numberFrom(timeout, "--timeout") } : {}),
    ...(vault ? { vaultPasswordFile: path(vault) } : {}),
    notes,
  };
}

/** Settings of Ansible's that change how hosts are reached, and what says the same here. */
const notFollowed: readonly (readonly [variable: string, key: string, instead: string])[] = [
  ["ANSIBLE_BECOME", "become", "give -b, or ansible_become in the inventory"],
  [
    "ANSIBLE_BECOME_METHOD",
    "become_method",
    "give --become-method, or ansible_become_method in the inventory",
  ],
  ["ANSIBLE_BECOME_USER", "become_user", "a session works as root alone"],
  ["ANSIBLE_BECOME_ASK_PASS", "become_ask_pass", "give -K"],
  ["ANSIBLE_ASK_PASS", "ask_pass", "give -k"],
  ["ANSIBLE_TRANSPORT", "transport", "give -c, or ansible_connection in the inventory"],
  ["ANSIBLE_REMOTE_PORT", "remote_port", "set ansible_port in the inventory, or Port in ~/.ssh/config"],
  ["ANSIBLE_VAULT_IDENTITY_LIST", "vault_identity_list", "give --vault-id, once for each"],
  ["ANSIBLE_SSH_ARGS", "ssh_args", "write it into ~/.ssh/config, or give --ssh-config FILE"],
  ["ANSIBLE_SSH_COMMON_ARGS", "ssh_common_args", "write it into ~/.ssh/config, or give --ssh-config FILE"],
  ["ANSIBLE_SSH_EXTRA_ARGS", "ssh_extra_args", "write it into ~/.ssh/config, or give --ssh-config FILE"],
  ["ANSIBLE_RUN_TAGS", "run", "give --tags"],
  ["ANSIBLE_SKIP_TAGS", "skip", "give --skip-tags"],
];

/** What is so anyway: off, root by sudo over ssh, and how long ssh keeps a connection. */
const meansNothing =
  /^(false|no|off|0|root|sudo|smart|ssh|(-C|-o\s*(Control|ServerAlive|Compression|TCPKeepAlive)\S+|\s)+)$/i;

/** As Ansible does, several are separated by commas, and a path is relative to the file that it stands in. */
function sourcesOf({ value, folder }: Setting): string[] {
  const at = (path: string) => resolve(folder, path.trim().replace(/^~(?=\/)/, homedir()));
  if (!value.includes(",") || existsSync(at(value))) return [at(value)];
  const parts = value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return parts.every((part) => existsSync(at(part))) ? parts.map(at) : [value];
}

function numberFrom({ value, from }: Setting, option: string): number {
  if (/^\d+$/.test(value) && Number(value) > 0) return Number(value);
  throw new CausewayError("usage", `${from} is not a number of at least 1`, {
    found: value,
    advice: `correct it, or give ${option}`,
  });
}

interface ConfigFile {
  file: string;
  defaults: ReadonlyMap<string, string>;
  notes: readonly string[];
}

const known = new WeakMap<NodeJS.ProcessEnv, ConfigFile>();

/** Several ask for the settings in one run: they get what one look found. */
function readOnce(env: NodeJS.ProcessEnv): ConfigFile {
  const config = known.get(env) ?? configFile(env);
  known.set(env, config);
  return config;
}

/** The first that there is of ANSIBLE_CONFIG, ./ansible.cfg, ~/.ansible.cfg and /etc/ansible/ansible.cfg. */
function configFile(env: NodeJS.ProcessEnv): ConfigFile {
  const notes: string[] = [];
  const asked = env.ANSIBLE_CONFIG?.replace(/^~(?=\/)/, homedir());
  const folder =
    asked && existsSync(asked) && statSync(asked).isDirectory() ? join(asked, "ansible.cfg") : asked;
  const here = resolve("ansible.cfg");
  const candidates = [folder, here, join(homedir(), ".ansible.cfg"), "/etc/ansible/ansible.cfg"];
  for (const file of candidates) {
    if (!file || !existsSync(file) || !statSync(file).isFile()) continue;
    if (file === here && (statSync(dirname(file)).mode & 0o002) !== 0) {
      notes.push(`${file} is not read, as in Ansible: everybody may write into its folder`);
      continue;
    }
    return { file, defaults: defaultsOf(readFileSync(file, "utf8")), notes };
  }
  return { file: "", defaults: new Map(), notes };
}

/** The sections of an ansible.cfg that say how hosts are reached. */
const sections = ["defaults", "privilege_escalation", "ssh_connection", "tags"];

/** What an ansible.cfg sets in them; of keys in several, the first. */
function defaultsOf(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = "";
  for (const whole of text.split("\n")) {
    const line = whole.trim();
    if (line === "" || /^[#;]/.test(line)) continue;
    const heading = /^\[([^\]]*)\]/.exec(line)?.[1];
    if (heading !== undefined) section = heading;
    const [, key, value = ""] = /^([^=:[]+?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    // A semicolon behind a blank begins a comment there; a # does not.
    if (!key || !sections.includes(section) || (section !== "defaults" && found.has(key.toLowerCase())))
      continue;
    found.set(key.toLowerCase(), value.replace(/\s;.*$/, "").trim());
  }
  return found;
}

/** The number of hosts at a time: the command line's, Ansible's, or 64. */
export function forksOf(values: Given): number {
  return wholeOption("forks", values.forks, ansibleSettings(values).forks ?? 64);
}
