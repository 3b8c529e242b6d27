import type { Options } from "./arguments.ts";

/** What stands behind `run COMMAND`: it gets the words behind its name, and gives the exit code. */
export interface Command {
  start: (args: readonly string[], all: Commands) => Promise<number>;
  options: Options;
}

export type Commands = Readonly<Record<string, () => Promise<Command>>>;

/** The commands beside playbooks, each loaded when it is asked for. */
export const commands: Commands = {
  inventory: async () => {
    const { inventoryCommand, inventoryCommandOptions } = await import("./inventory-command.ts");
    return { start: inventoryCommand, options: inventoryCommandOptions };
  },
  history: async () => {
    const { historyCommand, historyOptions } = await import("./journal-command.ts");
    return { start: historyCommand, options: historyOptions };
  },
  rollback: async () => {
    const { rollbackCommand, rollbackOptions } = await import("./journal-command.ts");
    return { start: rollbackCommand, options: rollbackOptions };
  },
  remove: async () => {
    const { removeCommand, removeOptions } = await import("./remove-command.ts");
    return { start: removeCommand, options: removeOptions };
  },
  exec: async () => {
    const { execCommand, execOptions } = await import("./exec-command.ts");
    return { start: execCommand, options: execOptions };
  },
  doctor: async () => {
    const { doctorCommand, doctorOptions } = await import("./doctor-command.ts");
    return { start: doctorCommand, options: doctorOptions };
  },
  init: async () => {
    const { initCommand, initOptions } = await import("./init-command.ts");
    return { start: initCommand, options: initOptions };
  },
  completion: async () => {
    const { completionCommand, completionOptions } = await import("./completion-command.ts");
    return { start: completionCommand, options: completionOptions };
  },
  doc: async () => {
    const { docCommand, docOptions } = await import("./doc-command.ts");
    return { start: docCommand, options: docOptions };
  },
  lab: async () => {
    const { labCommand, labOptions } = await import("./lab-command.ts");
    return { start: labCommand, options: labOptions };
  },
};
