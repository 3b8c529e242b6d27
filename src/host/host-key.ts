import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { CausewayError } from "../errors.ts";
import { fingerprint, forgetKnownHosts, judge, keyType, knownLines, type Verdict } from "./known-hosts.ts";

export interface HostKeyCheck {
  /** The name that known_hosts is asked for: with the port unless that is 22, or HostKeyAlias as it stands. */
  name: string;
  /** The first is where an accepted key is written. */
  files: readonly string[];
  mode: "strict" | "accept-new" | "off";
  /** The command that adds the host's key to a file, for a person to paste. */
  learn: (file: string) => string;
}

/** Why a key was refused, or nothing when it was accepted. In `accept-new`, an unknown key is written down. */
export function refuseHostKey(check: HostKeyCheck, key: Buffer): CausewayError | undefined {
  if (check.mode === "off") return undefined;
  const { name } = check;
  const verdict = judge(knownLines(check.files, name), name, key);
  if (verdict.known) return undefined;
  if (verdict.why === "unknown" && check.mode === "accept-new") return remember(check.files[0], name, key);
  return refusal(check, name, key, verdict);
}

function remember(file: string | undefined, name: string, key: Buffer): CausewayError | undefined {
  if (file === undefined) return undefined;
  let before = 0;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const known = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    before = known.length;
    // Without a newline at its end, the new line would be appended to the last one.
    const open = before > 0 && known.at(-1) !== 10 ? "\n" : "";
    appendFileSync(file, `${open}${name} ${keyType(key)} ${key.toString("base64")}\n`, { mode: 0o600 });
    forgetKnownHosts(file);
    return undefined;
  } catch (error) {
    // Half a key would read as another one, and the host as an impostor.
    cutTo(file, before);
    return new CausewayError("unreachable", `the host key of ${name} cannot be written down`, {
      output: (error as Error).message,
      expected: `a file that can be written: ${file}`,
      advice: "make room or correct the file's mode; or compare the key by hand and add it there",
    });
  }
}

function cutTo(file: string, length: number): void {
  try {
    truncateSync(file, length);
  } catch {
    // It was never written to.
  }
}

function refusal(
  check: HostKeyCheck,
  name: string,
  key: Buffer,
  verdict: Verdict & { known: false },
): CausewayError {
  const shown = `${keyType(key)} ${fingerprint(key)}`;
  const lines = verdict.entries.map(
    (e) => `${e.file}:${e.line} ${e.type} ${fingerprint(Buffer.from(e.key, "base64"))}`,
  );
  const file = check.files[0] ?? "~/.ssh/known_hosts";
  const scan = check.learn(file);
  switch (verdict.why) {
    case "changed":
      return new CausewayError(
        "unreachable",
        `the host key of ${name} CHANGED: it may be another machine, or a man-in-the-middle attack`,
        {
          found: shown,
          expected: lines.join("\n"),
          advice: `if the host was really reinstalled: ssh-keygen -R '${name}' -f ${verdict.entries[0]?.file ?? file} && ${scan}`,
        },
      );
    case "revoked":
      return new CausewayError("unreachable", `the host key of ${name} is revoked`, {
        found: shown,
        expected: `not the key that ${lines.join(", ")} revokes`,
        advice: "the key was marked as stolen or lost: create a new host key",
      });
    case "authority":
      return new CausewayError(
        "unreachable",
        `${name} is known only through a certificate authority, which cannot be asked beside a password`,
        {
          found: `@cert-authority in ${lines.join(", ")}; the host showed ${shown}`,
          advice: `use a key in place of ansible_password; or compare the fingerprint with the host's console, then: ${scan}`,
        },
      );
    default:
      return new CausewayError("unreachable", `the host key of ${name} is not known`, {
        found: shown,
        expected: `a line for ${name} in ${check.files.join(" or ")}`,
        advice: `compare the fingerprint with the host's console, then: ${scan}\nor run once with --host-key-checking=accept-new`,
      });
  }
}
