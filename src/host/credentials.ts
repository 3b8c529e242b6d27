import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AnyAuthMethod, ParsedKey } from "ssh2";
import { CausewayError } from "../errors.ts";
import type { ConnectionTarget } from "./session.ts";
import type { SshConfig } from "./ssh-config.ts";

const keys = new Map<string, ParsedKey | Error>();

/** Parses a private key once a process; with a thousand hosts it is the same key. */
function privateKey(file: string): ParsedKey | Error {
  let key = keys.get(file);
  if (!key) {
    key = parse(file);
    keys.set(file, key);
  }
  return key;
}

function parse(file: string): ParsedKey | Error {
  const { utils } = createRequire(import.meta.url)("ssh2") as typeof import("ssh2");
  try {
    const parsed = utils.parseKey(readFileSync(file));
    if (parsed instanceof Error) return parsed;
    return (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey;
  } catch (error) {
    return error as Error;
  }
}

export interface Credentials {
  methods: AnyAuthMethod[];
  /** What is tried, for the error of a refusal. */
  tried: string[];
}

/** The ways to prove who one is, in OpenSSH's order: the inventory's key, the configured keys, the agent, a password. */
export function credentialsFor(target: ConnectionTarget, config: SshConfig, username: string): Credentials {
  const credentials: Credentials = { methods: [], tried: [] };
  const files = target.privateKeyFile ? [target.privateKeyFile] : config.identityFiles;
  const agent = config.identityAgent ?? process.env.SSH_AUTH_SOCK;
  for (const file of files) {
    const key = privateKey(file);
    if (key instanceof Error) {
      if (target.privateKeyFile && !agent) throw unusableKey(target, file, key);
      credentials.tried.push(`${file} (${key.message})`);
    } else {
      credentials.methods.push({ type: "publickey", username, key });
      credentials.tried.push(file);
    }
  }
  if (agent && existsSync(agent)) {
    credentials.methods.push({ type: "agent", username, agent });
    credentials.tried.push(`agent ${agent}`);
  }
  if (target.password !== undefined) {
    credentials.methods.push({ type: "password", username, password: target.password });
    credentials.tried.push("password");
  }
  return credentials;
}

function unusableKey(target: ConnectionTarget, file: string, error: Error): CausewayError {
  return new CausewayError("unreachable", `the private key ${file} cannot be used`, {
    host: target.name,
    found: error.message,
    expected: "a private key without a passphrase, or an agent that holds it",
    advice: `check the path and its mode; for a key with a passphrase: eval "$(ssh-agent)" && ssh-add ${file}`,
  });
}
