import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Writes a file of this machine whole or not at all, also on a full disk or beside another run: what was there stays until
 * the new content is complete. `mode` is 0644 less the umask unless given. Throws Node's own errors.
 */
export function writeWholeFile(file: string, content: string | Uint8Array, mode?: number): void {
  const temporary = `${file}.${process.pid}.new`;
  try {
    writeFileSync(temporary, content, { flush: true, ...(mode === undefined ? {} : { mode }) });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}
