import { join, relative } from "node:path";
import { cacheFolder } from "./cache-folder.mjs";
import { CausewayError, type Position } from "./errors.ts";
import { packageDir } from "./package-dir.ts";

/** Thrown by `host.facts` before they were read: the play is composed again once they are there. */
export const notYet = new Error("facts are not read yet");

export function isNotYet(error: unknown): boolean {
  return error === notYet;
}

/** A file as a person in the current folder would name it. */
export function shownPath(file: string): string {
  const here = relative(process.cwd(), file);
  return here.startsWith("..") ? file : here;
}

/** The first line of the stack that is neither ours nor Node's; or the one in `file`, if it comes first. */
export function placeOf(error: Error, file?: string): Position | undefined {
  const ours = [join(packageDir, "src"), cacheFolder(packageDir)];
  for (const line of (error.stack ?? "").split("\n")) {
    const [, path, row, column] = /\(?(?:file:\/\/)?(\/[^():]+):(\d+):(\d+)\)?$/.exec(line) ?? [];
    if (!path || !row || !column || line.includes("node:")) continue;
    if (path === file || !(ours.some((folder) => path.startsWith(folder)) || path.includes("node_modules")))
      return { file: shownPath(path), line: Number(row), column: Number(column) };
  }
  return undefined;
}

/** What a playbook or task threw, as an error of its own with its place. A CausewayError stays as it is. */
export function thrownBy(who: string, error: unknown): unknown {
  if (error instanceof CausewayError || isNotYet(error)) return error;
  const at = error instanceof Error ? placeOf(error) : undefined;
  return new CausewayError(
    "playbook",
    `${who} threw ${error instanceof Error ? error : JSON.stringify(error)}`,
    {
      ...(at ? { at } : {}),
      expected: "for an expected error, throw a CausewayError that says what was found and what to do",
      cause: error,
    },
  );
}

/** The same function; its errors, and those of a promise that it returns, say where they come from. */
export function answeredFor<A extends unknown[], R>(who: string, work: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    try {
      const given = work(...args);
      if (!(given instanceof Promise)) return given;
      return given.catch((error: unknown) => {
        throw thrownBy(who, error);
      }) as R;
    } catch (error) {
      throw thrownBy(who, error);
    }
  };
}
