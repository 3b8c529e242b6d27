import { type Script, sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

export interface MadeFileStep {
  /** Where no file is. */
  path: string;
  /** Prints what is to be in it. */
  make: Script;
  /** What that is, for a person: `a new private key`. */
  to: string;
}

/**
 * A secret that the host makes itself, in a file for root only. Nobody else gets to know it: it is in no command, event or
 * diff, and what an undo takes away stays on the host.
 */
export function madeFile({ path, make, to }: MadeFileStep): Step {
  return {
    kind: "file",
    what: `file ${path}`,
    from: null,
    to: `(secret) ${to}, mode 600`,
    resource: ["file", path],
    // `printf` is built in: the text appears in no process list.
    perform: sh`cw_made=$(umask 077; ${make}) && [ -n "$cw_made" ] || { echo ${`nothing was made for ${path}`}; exit 1; }
printf '%s\n' "$cw_made" | cw_file_swap ${path} absent 600 0:0`,
    secret: true,
    touches: [`file:${path}`],
    causes: [],
  };
}
