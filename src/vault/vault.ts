import { CausewayError, type ErrorCode, type Position } from "../errors.ts";
import { type Sealed, sealedOf, unsealed } from "./cipher.ts";

/** A password of vaults, and its label: Ansible's vault id. */
export interface VaultPassword {
  label: string;
  password: string;
}

/** What opens vaults: the passwords that the command line names, tried in their order, the one of a vault's own label first. */
export class Vault {
  readonly #passwords: readonly VaultPassword[];
  /** What was opened: to make a key of a password takes a while, and one text is often met by many hosts. */
  readonly #opened = new Map<string, string>();

  /** Files whose values are shown nowhere: whole vaults, and what came through a pipe or out of a program. */
  readonly #hidden = new Set<string>();

  constructor(passwords: readonly VaultPassword[] = []) {
    this.#passwords = passwords;
  }

  hide(file: string): void {
    this.#hidden.add(file);
  }

  hides(file: string | undefined): boolean {
    return file !== undefined && this.#hidden.has(file);
  }

  /** Does what may find a fault in a file; of one that is hidden the error shows nothing. */
  reading<T>(file: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof CausewayError) || !this.hides(file)) throw error;
      const { found: _, output: __, ...detail } = error.detail;
      throw new CausewayError(error.code, error.message, detail);
    }
  }

  /** The text behind a vault. `what` it is, a variable or a file, begins the error's message. */
  open(text: string, what: string, code: ErrorCode, at?: Position): string {
    const known = this.#opened.get(text);
    if (known !== undefined) return known;
    const place = at ? { at } : {};
    const sealed = sealedOf(text);
    const label = typeof sealed === "string" ? undefined : sealed.label;
    if (this.#passwords.length === 0) throw noPassword(label, what, code, place);
    if (typeof sealed === "string")
      throw new CausewayError(code, `${what} is encrypted with Ansible Vault, and is broken`, {
        ...place,
        found: sealed,
        expected: "a text as ansible-vault writes it",
        advice: "encrypt it again, or take it from a backup",
      });
    const opened = this.#openSealed(sealed);
    if (opened === undefined) throw this.#refusal(sealed, what, code, place);
    this.#opened.set(text, opened);
    return opened;
  }

  #openSealed(sealed: Sealed): string | undefined {
    const first = this.#passwords.filter(({ label }) => label === sealed.label);
    for (const { password } of new Set([...first, ...this.#passwords])) {
      const text = unsealed(sealed, password);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  #refusal({ label }: Sealed, what: string, code: ErrorCode, place: { at?: Position }): CausewayError {
    const tried = this.#passwords.map((one) => one.label).join(", ");
    return new CausewayError(
      code,
      `${what} is encrypted with Ansible Vault, and no given password opens it`,
      {
        ...place,
        found: `${vaultWords(label)}; tried: ${tried}`,
        advice: `check the password: ansible-vault view opens a file with it; or give ${optionFor(label)} as well`,
      },
    );
  }
}

function noPassword(
  label: string | undefined,
  what: string,
  code: ErrorCode,
  place: { at?: Position },
): CausewayError {
  return new CausewayError(code, `${what} is encrypted with Ansible Vault, and no password is given`, {
    ...place,
    found: vaultWords(label),
    advice: `give ${optionFor(label)}, or --ask-vault-pass to enter it`,
  });
}

function vaultWords(label: string | undefined): string {
  return label === undefined ? "a vault" : `a vault with the password of ${label}`;
}

function optionFor(label: string | undefined): string {
  return label === undefined ? "--vault-password-file FILE" : `--vault-id ${label}@FILE`;
}

/** What opens nothing. */
export const noVault = new Vault();
