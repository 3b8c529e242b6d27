import { connectionOptions, helpOption, inventoryOptions, type Options, outputOptions } from "./arguments.ts";
import { batchOptions } from "./batch-options.ts";
import { selectionOptions } from "./selection-options.ts";
import { vaultOptions } from "./vault-options.ts";
import { watchOptions } from "./watch-options.ts";

/** The options of running a playbook. */
export const playbookOptions = {
  ...inventoryOptions,
  check: { type: "boolean", short: "C", help: "show what would be done; change nothing" },
  ...outputOptions,
  "no-verify": { type: "boolean", help: "do not verify the result with packets" },
  evidence: { type: "boolean", help: "verify also with captures of the packets on the wire" },
  "all-pairs": {
    type: "boolean",
    help: "verify every pair of hosts; of more than 16 a sample is tried otherwise",
  },
  ...selectionOptions,
  ...batchOptions,
  ...watchOptions,
  "list-hosts": { type: "boolean", help: "print the hosts and stop" },
  "list-tasks": { type: "boolean", help: "print the plays and their tasks and stop" },
  "list-tags": { type: "boolean", help: "print the plays and their tags and stop" },
  "syntax-check": {
    type: "boolean",
    help: "load inventory, playbook and variables, and stop; connects to no host",
  },
  "confirm-timeout": {
    type: "string",
    value: "SECONDS",
    help: "a host takes the run back unless it is confirmed so soon over a new connection (default 60; 0: never)",
  },
  force: { type: "boolean", help: "when undoing: also undo files that somebody changed since" },
  "break-lock": { type: "boolean", help: "take the lock of a run that is known to be dead" },
  ...connectionOptions,
  ...vaultOptions,
  ...helpOption,
} as const satisfies Options;
