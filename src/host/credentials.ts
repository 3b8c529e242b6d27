import type { AnyAuthMethod, KeyboardInteractiveAuthMethod } from "ssh2";
import { CausewayError } from "../errors.ts";
import { agentSocket, holds, someOf } from "./agent.ts";
import { keyFile, unlock } from "./keys.ts";
import type { ConnectionTarget, SessionOptions } from "./session.ts";
import { expanded, type Hop } from "./way.ts";

export interface Credentials {
  methods: AnyAuthMethod[];
  /** What is tried, for the error of a refusal. */
  tried: readonly string[];
  /** Keys that nobody has opened yet. */
  locked: readonly string[];
}

/** One way to prove who one is. */
interface Proof {
  method?: AnyAuthMethod;
  tried: string;
  locked?: string;
}

/**
 * The ways to prove who one is, in this order: a password where the inventory names no key beside it, the keys that inventory or
 * ssh_config name, be they in a file or in the agent, and then the agent's other keys. A server lets go after few
 * attempts, so that what somebody named comes before what happens to be there.
 */
export async function credentialsFor(hop: Hop): Promise<Credentials> {
  const { target, config, username } = hop;
  const socket = agentSocket(config.identityAgent && expanded(config.identityAgent, hop));
  const files = namedFiles(hop);
  const named = await Promise.all(files.map((file) => keyProof(file, username, socket, target)));
  const proofs = [
    ...(target.privateKeyFile ? [] : passwordProofs(target, username)),
    ...named.flat(),
    ...(socket && !config.identitiesOnly ? [otherKeys(socket, files, username)] : []),
    ...(target.privateKeyFile ? passwordProofs(target, username) : []),
  ];
  return {
    methods: proofs.flatMap(({ method }) => method ?? []),
    tried: proofs.map(({ tried }) => tried),
    locked: proofs.flatMap(({ locked }) => locked ?? []),
  };
}

/** The files of the keys that inventory or ssh_config name. */
export function namedFiles(hop: Hop): string[] {
  const { target, config } = hop;
  if (target.privateKeyFile) return [target.privateKeyFile];
  return [...new Set(config.identityFiles.map((file) => expanded(file, hop)))];
}

async function keyProof(
  file: string,
  username: string,
  socket: string | undefined,
  target: ConnectionTarget,
): Promise<Proof[]> {
  const found = keyFile(file);
  if (found.state === "ready")
    return [{ method: { type: "publickey", username, key: found.key }, tried: file }];
  if (found.state === "unusable") {
    // ssh_config names keys that are not there as a matter of course.
    if (file !== target.privateKeyFile)
      return /ENOENT/.test(found.why) ? [] : [{ tried: `${file} (${found.why})` }];
    if (!socket) throw unusableKey(target, file, found.why);
    return [{ tried: `${file} (${found.why})` }];
  }
  const { publicPart } = found;
  if (socket && publicPart && (await holds(socket, publicPart))) {
    const agent = someOf(socket, (part) => part.equals(publicPart));
    return [{ method: { type: "agent", username, agent }, tried: `${file} in the agent` }];
  }
  if (found.state === "public") return [{ tried: `${file} (its private part is not here, nor in an agent)` }];
  return [{ tried: `${file} (it has a passphrase)`, locked: file }];
}

function otherKeys(socket: string, files: readonly string[], username: string): Proof {
  const named = files.map(keyFile).flatMap((found) => {
    if (found.state === "ready") return [found.key.getPublicSSH()];
    return "publicPart" in found && found.publicPart ? [found.publicPart] : [];
  });
  const agent = someOf(socket, (part) => !named.some((one) => one.equals(part)));
  return { method: { type: "agent", username, agent }, tried: `agent ${socket}` };
}

/** Many a server takes a password only as the answer to a question of its own (keyboard-interactive). */
function passwordProofs({ password }: ConnectionTarget, username: string): Proof[] {
  if (password === undefined) return [];
  const prompt: KeyboardInteractiveAuthMethod["prompt"] = (_name, _instructions, _lang, prompts, finish) =>
    // What is shown while it is typed is no password.
    finish(prompts.map(({ echo }) => (echo ? "" : password)));
  return [
    { method: { type: "password", username, password }, tried: "password" },
    { method: { type: "keyboard-interactive", username, prompt }, tried: "password on request" },
  ];
}

function unusableKey(target: ConnectionTarget, file: string, why: string): CausewayError {
  return new CausewayError("unreachable", `the private key ${file} cannot be used`, {
    host: target.name,
    found: why,
    expected: "a private key in OpenSSH's format or in PEM",
    advice: "check the path and the file's mode",
  });
}

const asked = new Map<string, Promise<void>>();
const mostTries = 3;

/**
 * Opens locked keys by asking a person for their passphrases, each key once for all hosts. Without a terminal it is an error that
 * says how to go on.
 */
export async function openKeys(
  files: readonly string[],
  { ask }: Pick<SessionOptions, "ask">,
): Promise<void> {
  for (const file of files) {
    if (!ask) throw needsPassphrase(file);
    const opening = asked.get(file) ?? openKey(file, ask);
    asked.set(file, opening);
    await opening;
  }
}

async function openKey(file: string, ask: NonNullable<SessionOptions["ask"]>): Promise<void> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const passphrase = await ask(`Passphrase of the key ${file}: `);
    if (passphrase === undefined) break;
    if (unlock(file, passphrase)) return;
  }
  throw new CausewayError("unreachable", `the key ${file} was not opened`, {
    expected: "its passphrase",
    advice: `enter it again, or let an agent hold the key: eval "$(ssh-agent)" && ssh-add ${file}`,
  });
}

function needsPassphrase(file: string): CausewayError {
  return new CausewayError(
    "unreachable",
    `the key ${file} has a passphrase, and there is no terminal to ask on`,
    {
      expected: "a key without a passphrase, or an agent that holds it",
      advice: `eval "$(ssh-agent)" && ssh-add ${file}`,
    },
  );
}
