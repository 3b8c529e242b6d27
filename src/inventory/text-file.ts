import { readFileSync } from "node:fs";
import { CausewayError, type ErrorCode } from "../errors.ts";
import { isSealed } from "../vault/cipher.ts";
import type { Vault } from "../vault/vault.ts";

/** A file's text, which has to be UTF-8; a mark of its byte order at its start is left out. */
export function readText(file: string, code: ErrorCode = "inventory"): string {
  const bytes = readFileSync(file);
  const isNul = bytes.includes(0);
  try {
    if (!isNul) return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Said below, with its line.
  }
  const { line, column } = isNul ? placeOf(bytes, bytes.indexOf(0)) : firstFault(bytes);
  throw new CausewayError(code, `${file} is not text in UTF-8`, {
    at: { file, line, column },
    found: isNul ? "a NUL byte" : "bytes that are no UTF-8",
    expected: "UTF-8, as Ansible does",
    advice: isNul ? "remove it" : `if it is Latin-1: iconv -f latin1 -t utf-8 ${file} > ${file}.new`,
  });
}

/** The same, opened where the whole file is a vault; its values are shown nowhere then. */
export function readOpened(file: string, code: ErrorCode, vault: Vault): string {
  const text = readText(file, code);
  if (!isSealed(text)) return text;
  vault.hide(file);
  return vault.open(text, file, code, { file, line: 1, column: 1 });
}

function placeOf(bytes: Buffer, offset: number): { line: number; column: number } {
  const before = bytes.subarray(0, offset).toString("latin1").split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** The line of the first byte that is no UTF-8, and its column there, both in bytes. */
function firstFault(bytes: Buffer): { line: number; column: number } {
  const text = bytes.toString("utf8");
  const good = Buffer.byteLength(text.slice(0, Math.max(0, text.indexOf("\uFFFD"))));
  return placeOf(bytes, good);
}
