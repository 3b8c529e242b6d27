import type { ErrorCode, Position } from "../errors.ts";
import { CausewayError } from "../errors.ts";

/** What a variable holds that is no value yet: a template is an error where somebody asks for it, a vault is opened then. */
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

/** The error of asking for a value that is a template. */
export function askedUnread(
  code: ErrorCode,
  name: string,
  { found, at }: Unread,
  host?: string,
): CausewayError {
  return new CausewayError(code, `${name} is a template, and templates are not read`, {
    ...(at ? { at } : {}),
    ...(host === undefined ? {} : { host }),
    found: found.length > 80 ? `${found.slice(0, 79)}…` : found,
    advice:
      "write the value itself, here or with -e; what depends on other values is computed in the playbook, which is TypeScript",
  });
}
