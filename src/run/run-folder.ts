import { chmodSync, mkdirSync, openSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CausewayError } from "../errors.ts";
import { writeWholeFile } from "../whole-file.ts";

/** Where runs keep what they fetched from hosts and what they said, in the working directory. */
const folderOfRuns = "causeway-runs";

/**
 * Keeps a file of a run on this machine, below `causeway-runs/<run>`, and gives that folder. What crossed a wire is
 * nobody's but the runner's: folders are 0700, files 0600. A file is there whole or not at all.
 */
export async function keepInRunFolder(run: string, name: string, content: Uint8Array): Promise<string> {
  const folder = join(folderOfRuns, run);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folderOfRuns, 0o700);
    writeWholeFile(join(folder, name), content, 0o600);
  } catch (error) {
    throw new CausewayError("verify", `${join(folder, name)} could not be written`, {
      output: (error as Error).message,
      expected: "a writable working directory: captures are saved there",
      cause: error,
    });
  }
  return folder;
}

/** Where a file of a run is kept, from the working directory. */
export function pathInRunFolder(run: string, name: string): string {
  return join(folderOfRuns, run, name);
}

/** Opens a new file of a run, for what is added to it as the run goes on. Throws Node's own errors. */
export function openInRunFolder(run: string, name: string): number {
  mkdirSync(join(folderOfRuns, run), { recursive: true, mode: 0o700 });
  chmodSync(folderOfRuns, 0o700);
  return openSync(pathInRunFolder(run, name), "wx", 0o600);
}
