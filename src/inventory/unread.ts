import type { ErrorCode, Position } from "../errors.ts";
import { CausewayError } from "../errors.ts";

/** What a variable holds that only Ansible could make a value of. It is an error where somebody asks for the value. */
export interface Unread {
  what: "template" | "vault";
  /** As it is written; of a vault, its tag. */
  found: string;
  at?: Position;
}

/** Whether a text is one of Ansible's templates. */
export function isTemplate(text: string): boolean {
  return text.includes("{{") || text.includes("{%");
}

const words = {
  template: {
    message: "is a template, and templates are not read",
    advice:
      "write the value itself, here or with -e; what depends on other values is computed in the playbook, which is TypeScript",
  },
  vault: {
    message: "is encrypted with Ansible Vault, which is not read",
    advice: "keep the secret in a file of its own and pass it: -e @FILE wins over the inventory",
  },
};

/** The error of asking for a value that is a template or a vault. */
export function askedUnread(
  code: ErrorCode,
  name: string,
  { what, found, at }: Unread,
  host?: string,
): CausewayError {
  const { message, advice } = words[what];
  return new CausewayError(code, `${name} ${message}`, {
    ...(at ? { at } : {}),
    ...(host === undefined ? {} : { host }),
    found: found.length > 80 ? `${found.slice(0, 79)}…` : found,
    advice,
  });
}
