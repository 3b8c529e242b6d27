import type { Position } from "../errors.ts";
import { neverShow } from "./never-shown.ts";
import type { Vault } from "./vault.ts";

/** A value of a YAML file with the tag `!vault`: opened when somebody asks for it, and shown to nobody. */
export class SealedValue {
  readonly #text: string;
  readonly #vault: Vault;
  readonly #at: Position | undefined;

  constructor(text: string, vault: Vault, at: Position | undefined) {
    this.#text = text;
    this.#vault = vault;
    this.#at = at;
  }

  open(variable: string): string {
    const opened = this.#vault.open(this.#text, variable, "variables", this.#at);
    neverShow(opened);
    return opened;
  }

  /** As `ansible-inventory --list` prints it. */
  toJSON(): object {
    return { __ansible_vault: this.#text };
  }
}

/** A value with every vault in it opened. */
export function opened(value: unknown, variable: string): unknown {
  if (value instanceof SealedValue) return value.open(variable);
  if (Array.isArray(value)) return value.map((one) => opened(one, variable));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, opened(below, variable)]));
}
