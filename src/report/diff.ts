import { createTwoFilesPatch } from "diff";
import type { ShownStep } from "./events.ts";
import type { Paint } from "./paint.ts";

/** A file's change as a unified diff; none for a step that changes no file. */
export function diffLines({ diff }: ShownStep, paint: Paint): string[] {
  if (!diff || diff.before === diff.after) return [];
  const { path, before, after } = diff;
  const patch = createTwoFilesPatch(`${path} (now)`, `${path} (then)`, before, after, "", "", { context: 3 });
  return patch
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => `    ${coloured(line, paint)}`);
}

function coloured(line: string, paint: Paint): string {
  if (line.startsWith("+")) return paint("green", line);
  if (line.startsWith("-")) return paint("red", line);
  return line.startsWith("@@") ? paint("cyan", line) : line;
}
