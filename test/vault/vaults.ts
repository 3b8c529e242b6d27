import { readFileSync } from "node:fs";
import type { VaultPassword } from "../../src/vault/vault.ts";

/**
 * What ansible-vault of ansible-core 2.14 made. In the files: `db_password: hunter22`, `port: 5432` and a note; the values are
 * `hunter22` and `sesame99`. Those of format 1.1 open with `right`, those of 1.2 with `other`, the password of `prod`.
 */
export const vaults = JSON.parse(readFileSync(new URL("vaults.json", import.meta.url), "utf8")) as Readonly<
  Record<"file 1.1" | "file 1.2" | "value 1.1" | "value 1.2", string>
>;

export const right: VaultPassword = { label: "default", password: "right" };
export const prod: VaultPassword = { label: "prod", password: "other" };

/** A vault as a value in YAML, so many blanks further in. */
export function asValue(text: string, indent: number): string {
  return `!vault |\n${text.trim().replace(/^/gm, " ".repeat(indent))}`;
}
