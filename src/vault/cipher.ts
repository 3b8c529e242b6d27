import { createDecipheriv, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";

/** A text that Ansible Vault encrypted: `$ANSIBLE_VAULT;1.1;AES256`, or `1.2` with the label of its password. */
export interface Sealed {
  /** `1.1` or `1.2`. */
  version: string;
  /** Which password it was encrypted with, where format 1.2 says so. */
  label?: string;
  salt: Buffer;
  hmac: Buffer;
  content: Buffer;
}

export function isSealed(text: string): boolean {
  return text.startsWith("$ANSIBLE_VAULT;");
}

/** Why a text cannot be one of Ansible Vault's; its parts, where it can. */
export function sealedOf(text: string): Sealed | string {
  const [header = "", ...lines] = text.trim().split(/\r?\n/);
  const [, version = "", cipher = "", label] = header.trim().split(";");
  if (version !== "1.1" && version !== "1.2") return `its format is ${version || "missing"}, not 1.1 or 1.2`;
  if (cipher !== "AES256") return `its cipher is ${cipher || "missing"}, not AES256`;
  const parts = unhex(lines.map((line) => line.trim()).join(""))
    ?.toString("latin1")
    .split("\n")
    .map((part) => unhex(part));
  const [salt, hmac, content] = parts ?? [];
  if (!salt || !hmac || !content || parts?.length !== 3 || hmac.length !== 32)
    return "it is cut off or changed";
  return { version, salt, hmac, content, ...(label ? { label } : {}) };
}

function unhex(text: string): Buffer | undefined {
  return /^(?:[\da-f]{2})+$/i.test(text) ? Buffer.from(text, "hex") : undefined;
}

/**
 * The text behind a seal; undefined where the password is another one.
 * Source: `VaultAES256` in lib/ansible/parsing/vault of ansible-core 2.14: PBKDF2 over SHA-256, 10,000 times, gives the keys of
 * AES-256-CTR and of the HMAC, and the counter; the text is padded to whole blocks.
 */
export function unsealed({ salt, hmac, content }: Sealed, password: string): string | undefined {
  const keys = pbkdf2Sync(password, salt, 10_000, 80, "sha256");
  const [key, hmacKey, counter] = [keys.subarray(0, 32), keys.subarray(32, 64), keys.subarray(64)];
  if (!timingSafeEqual(createHmac("sha256", hmacKey).update(content).digest(), hmac)) return undefined;
  const decipher = createDecipheriv("aes-256-ctr", key, counter);
  const padded = Buffer.concat([decipher.update(content), decipher.final()]);
  return padded.subarray(0, padded.length - (padded.at(-1) ?? 0)).toString("utf8");
}
