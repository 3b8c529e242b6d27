import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

/** One line of a known_hosts file. */
export interface KnownHost {
  file: string;
  line: number;
  marker?: "revoked" | "cert-authority";
  /** The first field: comma-separated patterns, or one hashed name. */
  names: string;
  type: string;
  /** The key in base64. */
  key: string;
}

/** What known_hosts says of a key that a host showed. */
export type Verdict =
  | { known: true }
  | { known: false; why: "unknown" | "changed" | "revoked" | "authority"; entries: readonly KnownHost[] };

/** A file's lines: those that name a host plainly by that name, and those that have to be tried. */
interface KnownHosts {
  plain: ReadonlyMap<string, readonly KnownHost[]>;
  tried: readonly KnownHost[];
}

const read = new Map<string, KnownHosts>();

/** The lines of known_hosts files that may speak of a name. A file is read once a process; one that is not there has none. */
export function knownLines(files: readonly string[], name: string): readonly KnownHost[] {
  return files.flatMap((file) => {
    const { plain, tried } = knownHostsOf(file);
    return [...(plain.get(name) ?? []), ...tried];
  });
}

function knownHostsOf(file: string): KnownHosts {
  let hosts = read.get(file);
  if (!hosts) {
    let text = "";
    try {
      text = readFileSync(file, "utf8");
    } catch {
      // Not there: nothing is known.
    }
    hosts = byName(parseKnownHosts(file, text));
    read.set(file, hosts);
  }
  return hosts;
}

function byName(lines: readonly KnownHost[]): KnownHosts {
  const plain = new Map<string, KnownHost[]>();
  const tried: KnownHost[] = [];
  for (const line of lines) {
    // Hashed, negated and wildcard names are known only by trying.
    if (/[|!*?]/.test(line.names)) tried.push(line);
    else
      for (const name of new Set(line.names.toLowerCase().split(",")))
        plain
          .set(name, plain.get(name) ?? [])
          .get(name)
          ?.push(line);
  }
  return { plain, tried };
}

/** The file was written to; read it again when it is next asked for. */
export function forgetKnownHosts(file: string): void {
  read.delete(file);
}

/** Takes a known_hosts file apart; lines that OpenSSH would skip are skipped. */
export function parseKnownHosts(file: string, text: string): KnownHost[] {
  return text.split("\n").flatMap((raw, index) => {
    const words = raw.trim().split(/\s+/);
    if (words[0] === "" || words[0]?.startsWith("#")) return [];
    const marker = words[0]?.startsWith("@") ? words.shift()?.slice(1) : undefined;
    const [names, type, key] = words;
    if (!names || !type || !key) return [];
    const host: KnownHost = { file, line: index + 1, names, type, key };
    if (marker === "revoked" || marker === "cert-authority") host.marker = marker;
    else if (marker !== undefined) return [];
    return [host];
  });
}

/** The name under which OpenSSH looks a host up: with its port unless that is 22. */
export function lookupName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

function globToRegExp(glob: string): RegExp {
  const body = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${body}$`, "i");
}

/** Whether a line speaks of a name; a negated pattern that matches wins over all others. */
export function speaksOf({ names }: KnownHost, name: string): boolean {
  if (names.startsWith("|1|")) {
    const [, , salt = "", hash] = names.split("|");
    return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
  }
  let matched = false;
  for (const pattern of names.split(",")) {
    const negated = pattern.startsWith("!");
    const plain = negated ? pattern.slice(1) : pattern;
    const hit = /[*?]/.test(plain) ? globToRegExp(plain).test(name) : plain.toLowerCase() === name;
    if (hit && negated) return false;
    matched ||= hit;
  }
  return matched;
}

/** Judges a key that a host showed. Lines with that very key are looked at first, so that hashed names cost little. */
export function judge(hosts: readonly KnownHost[], name: string, key: Buffer): Verdict {
  const blob = key.toString("base64");
  const same = hosts.filter((h) => h.key === blob && speaksOf(h, name));
  const revoked = same.filter((h) => h.marker === "revoked");
  if (revoked.length > 0) return { known: false, why: "revoked", entries: revoked };
  if (same.some((h) => h.marker === undefined)) return { known: true };
  const others = hosts.filter((h) => h.key !== blob && h.marker !== "revoked" && speaksOf(h, name));
  const plain = others.filter((h) => h.marker === undefined);
  if (plain.length > 0) return { known: false, why: "changed", entries: plain };
  return { known: false, why: others.length > 0 ? "authority" : "unknown", entries: others };
}

/** The key types known for a name, as the names of signature algorithms; they are asked for first. */
export function knownAlgorithms(hosts: readonly KnownHost[], name: string): string[] {
  const types = new Set(hosts.filter((h) => h.marker === undefined && speaksOf(h, name)).map((h) => h.type));
  return [...types].flatMap((type) => (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type]));
}

/** As OpenSSH prints it: `SHA256:…`. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** The type that a key in SSH's wire format names first. */
export function keyType(key: Buffer): string {
  return key.toString("latin1", 4, 4 + key.readUInt32BE(0));
}
