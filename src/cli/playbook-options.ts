import { connectionOptions, helpOption, inventoryOptions, type Options, outputOptions } from "./arguments.ts";

/** The options of running a playbook. */
export const playbookOptions = {
  ...inventoryOptions,
  check: { type: "boolean", short: "C", help: "show what would be done; change nothing" },
  ...outputOptions,
  "no-verify": { type: "boolean", help: "do not prove the result with packets" },
  evidence: { type: "boolean", help: "prove it also by captures of what crosses the wire" },
  "list-hosts": { type: "boolean", help: "print the hosts and stop" },
  "list-tasks": { type: "boolean", help: "print the plays and their tasks and stop" },
  "syntax-check": { type: "boolean", help: "load everything, connect nowhere, and stop" },
  force: { type: "boolean", help: "when undoing: also files that somebody changed since" },
  "break-lock": { type: "boolean", help: "take the lock of a run that is known to be dead" },
  ...connectionOptions,
  ...helpOption,
} as const satisfies Options;
