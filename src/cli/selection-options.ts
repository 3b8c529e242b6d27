import type { Selection } from "../run/selection.ts";
import type { Options, Values } from "./arguments.ts";

/** Which tasks of a playbook are done. */
export const selectionOptions = {
  tags: {
    type: "string",
    short: "t",
    multiple: true,
    value: "TAGS",
    help: "only tasks and plays with these tags, and those tagged always; several with commas",
  },
  "skip-tags": {
    type: "string",
    multiple: true,
    value: "TAGS",
    help: "no tasks and plays with these tags",
  },
  "start-at-task": {
    type: "string",
    value: "TASK",
    help: "leave out what comes before this task ('NAME', 'NAME KEY', * for anything) or this play's title",
  },
} as const satisfies Options;

/** What the options choose; several of one option add up. */
export function selectionOf(values: Values<typeof selectionOptions>): Selection {
  const startAt = values["start-at-task"];
  return {
    tags: wordsOf(values.tags),
    skipTags: wordsOf(values["skip-tags"]),
    ...(startAt === undefined ? {} : { startAt }),
  };
}

function wordsOf(given: readonly string[] = []): string[] {
  return given.flatMap((tags) => tags.split(",").map((tag) => tag.trim())).filter((tag) => tag !== "");
}
