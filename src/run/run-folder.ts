import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CausewayError } from "../errors.ts";

/** Where runs keep what they fetched from hosts, in the working directory. */
const folderOfRuns = "causeway-runs";

/**
 * Keeps a file of a run on this machine, below `causeway-runs/<run>`, and gives that folder. What crossed a wire is
 * nobody's but the runner's: folders are 0700, files 0600.
 */
export async function keepInRunFolder(run: string, name: string, content: Uint8Array): Promise<string> {
  const folder = join(folderOfRuns, run);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folderOfRuns, 0o700);
    await writeFile(join(folder, name), content, { mode: 0o600 });
  } catch (error) {
    throw new CausewayError("verify", `${join(folder, name)} could not be written`, {
      output: (error as Error).message,
      expected: "a working directory that can be written to: what was captured is kept there",
      cause: error,
    });
  }
  return folder;
}
