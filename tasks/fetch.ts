import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { AbsolutePath, CausewayError, defineTask, fetched, later, Type } from "causeway";

const params = Type.Object(
  {
    path: AbsolutePath({ description: "the file on the host" }),
    to: Type.String({
      minLength: 1,
      description:
        "the file on this machine; a relative one is below the folder in which the run was started. Each host needs one of its own",
    }),
  },
  { additionalProperties: false },
);

/** What a session takes in one answer, less what base64 adds. */
const bytesAtMost = 48 * 1024 * 1024;

/**
 * A file of a host comes to this machine, where it is whole or not there, and only its user can read it. The host stays as it
 * is; what was fetched stays when a run is undone.
 *
 * ```ts
 * import { definePlaybook, Type } from "causeway";
 * import { fetch } from "causeway/tasks";
 *
 * export default definePlaybook({
 *   name: "collect",
 *   summary: "The configuration of every Docker",
 *   vars: Type.Object({}),
 *   plays: [
 *     {
 *       title: "Collect",
 *       hosts: "docker",
 *       tasks: ({ name }) => [fetch({ path: "/etc/docker/daemon.json", to: `collected/${name}/daemon.json` })],
 *     },
 *   ],
 * });
 * ```
 */
export const fetch = defineTask({
  name: "fetch",
  summary: "A file of the host, on this machine",
  params,
  key: ({ path }) => path,
  read: async (host, { path, to }) => ({ file: await host.file(path), here: sumOf(resolve(to)) }),
  present: ({ file, here }, { path, to }) => {
    if (file.kind === "absent") return [later(`${path} is not there yet`)];
    if (file.kind === "folder" || file.size > bytesAtMost)
      throw new CausewayError("host", `${path} cannot be fetched`, {
        found: file.kind === "folder" ? "a folder" : `${file.size} bytes`,
        expected: `a file of at most ${bytesAtMost / 1024 / 1024} MiB`,
        advice: "copy it by hand, with scp or rsync",
      });
    if (here === file.sha256) return [];
    const { sha256, size } = file;
    const was = here === undefined ? null : `sha256 ${here.slice(0, 12)}…`;
    return [fetched({ from: path, to: resolve(to), sha256, size, was })];
  },
});

function sumOf(path: string): string | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
