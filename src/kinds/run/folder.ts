import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";
import { run } from "./run.ts";

export interface FolderStep {
  path: string;
  /** User and group. */
  owner: string;
}

/** A daemon's own folder for its data. Taken back, it goes with all that is in it, and so does the one above it, if new. */
export function folder({ path, owner }: FolderStep): Step {
  return run({
    what: `folder ${path}`,
    to: `owner ${owner}, mode 700`,
    do: sh`above=$(dirname -- ${path})
[ -d "$above" ] || printf %s "$above" >"$B.above"
install -d -o ${owner} -g ${owner} -m 700 ${path}`,
    done: sh`[ -d ${path} ]`,
    undo: sh`rm -rf ${path} || exit 1
[ ! -f "$B.above" ] || rmdir -- "$(cat "$B.above")" 2>/dev/null || true`,
    touches: [`file:${path}`],
  });
}
