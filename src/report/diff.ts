import { createTwoFilesPatch } from "diff";
import type { ShownStep } from "../task/shown-step.ts";
import { type Paint, tame } from "./paint.ts";

/** A diff that takes longer is not shown. */
const longestMs = 1000;

/** A file's change as a unified diff; none for a step that changes no file. */
export function diffLines({ diff }: ShownStep, paint: Paint): string[] {
  if (!diff || diff.before === diff.after) return [];
  const { path, before, after } = diff;
  const options = { context: 3, timeout: longestMs };
  const patch = createTwoFilesPatch(path, path, before, after, "now", "then", options);
  if (patch === undefined) return [`    ${path} changes too much to be shown line by line`];
  const lines = patch.split("\n").filter((line) => line !== "");
  // Above the headers is a title for tools, not for people.
  return lines
    .slice(lines.findIndex((line) => line.startsWith("--- ")))
    .map((line) => `    ${coloured(tame(line), paint)}`);
}

function coloured(line: string, paint: Paint): string {
  if (line.startsWith("+")) return paint("green", line);
  if (line.startsWith("-")) return paint("red", line);
  return line.startsWith("@@") ? paint("cyan", line) : line;
}
