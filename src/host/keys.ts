import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ParsedKey } from "ssh2";

/** A private key's file as it was found. */
export type KeyFile =
  | { state: "ready"; key: ParsedKey }
  /** It has a passphrase, or only its public part is here; without that part, what an agent holds cannot be compared. */
  | { state: "locked" | "public"; publicPart?: Buffer }
  | { state: "unusable"; why: string };

const files = new Map<string, KeyFile>();

/** Reads a private key once a process; with a thousand hosts it is the same key. */
export function keyFile(file: string): KeyFile {
  const found = files.get(file) ?? read(file);
  files.set(file, found);
  return found;
}

/** Opens a locked key; from then on it is ready for all hosts. False where the passphrase is a wrong one. */
export function unlock(file: string, passphrase: string): boolean {
  const key = parsed(readFileSync(file), passphrase);
  if (key instanceof Error) return false;
  files.set(file, { state: "ready", key });
  return true;
}

function read(file: string): KeyFile {
  try {
    const bytes = readFileSync(file);
    const key = parsed(bytes);
    if (!(key instanceof Error)) {
      return key.isPrivateKey()
        ? { state: "ready", key }
        : { state: "public", publicPart: key.getPublicSSH() };
    }
    if (!/encrypted|passphrase/i.test(key.message)) return { state: "unusable", why: key.message };
    return { state: "locked", ...partOf(publicPartOf(bytes) ?? beside(file)) };
  } catch (error) {
    const publicPart = beside(file);
    return publicPart
      ? { state: "public", publicPart }
      : { state: "unusable", why: (error as Error).message };
  }
}

/** Whether a key is on a token (FIDO): ssh2 cannot read its file. */
export function isSecurityKey(file: string): boolean {
  const known = tokens.get(file) ?? [file, `${file}.pub`].some(namesToken);
  tokens.set(file, known);
  return known;
}

const tokens = new Map<string, boolean>();

function namesToken(file: string): boolean {
  try {
    const bytes = readFileSync(file);
    const type = publicPartOf(bytes)?.subarray(4).toString("latin1") ?? bytes.toString("latin1");
    return type.startsWith("sk-");
  } catch {
    // A file that is not there, or cut off, is no key of any kind.
    return false;
  }
}

function partOf(publicPart: Buffer | undefined): { publicPart?: Buffer } {
  return publicPart ? { publicPart } : {};
}

function parsed(bytes: Buffer, passphrase?: string): ParsedKey | Error {
  const { utils } = createRequire(import.meta.url)("ssh2") as typeof import("ssh2");
  const key = utils.parseKey(bytes, passphrase);
  if (key instanceof Error) return key;
  return (Array.isArray(key) ? key[0] : key) as ParsedKey;
}

/** The public key in a file of its own, as ssh-keygen writes one. */
function beside(file: string): Buffer | undefined {
  const path = `${file}.pub`;
  if (!existsSync(path)) return undefined;
  const key = parsed(readFileSync(path));
  return key instanceof Error ? undefined : key.getPublicSSH();
}

const magic = Buffer.from("openssh-key-v1\0");

/** The public key of a private one in OpenSSH's own format, which is readable without the passphrase (PROTOCOL.key). */
function publicPartOf(bytes: Buffer): Buffer | undefined {
  const [, base64] =
    /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(bytes.toString("latin1")) ?? [];
  const data = Buffer.from(base64 ?? "", "base64");
  if (!data.subarray(0, magic.length).equals(magic)) return undefined;
  let at = magic.length;
  const next = () => {
    const length = data.readUInt32BE(at);
    at += 4 + length;
    return data.subarray(at - length, at);
  };
  // The cipher, the key derivation and its options, then how many keys there are: always one.
  for (let skipped = 0; skipped < 3; skipped += 1) next();
  at += 4;
  return next();
}
