import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";
import { run } from "./run.ts";

export interface SystemUserStep {
  /** Its group has the same name. */
  name: string;
  home: string;
}

/** A user for a daemon of its own, and a group, where no package brings them. */
export function systemUser({ name, home }: SystemUserStep): Step {
  return run({
    what: `user ${name}`,
    to: "system user, no login",
    do: sh`gid=$(getent group ${name} | cut -d : -f 3)
printf %s "$gid" >"$B.gid"
useradd --system $([ "$gid" ] && echo "--gid $gid" || echo --user-group) --home-dir ${home} --no-create-home --shell /usr/sbin/nologin ${name}`,
    done: sh`getent passwd ${name}`,
    // userdel takes the group along where it is the user's own, also one that was there before.
    undo: sh`! getent passwd ${name} >/dev/null || userdel ${name} || exit 1
gid=$(cat "$B.gid" 2>/dev/null)
if [ "$gid" ]; then getent group ${name} >/dev/null || groupadd --gid "$gid" ${name}
else ! getent group ${name} >/dev/null || groupdel ${name}; fi`,
    touches: ["user"],
  });
}
