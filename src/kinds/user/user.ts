import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

export interface UserStep {
  name: string;
  /** Whether there is such a user already: then only what is given is changed. */
  exists: boolean;
  uid?: number;
  /** The primary group, by name; a new user's is one of its own name without it. */
  group?: string;
  /** All supplementary groups, by name. */
  groups?: readonly string[];
  home?: string;
  shell?: string;
  comment?: string;
  /** A new user is one of the system's: its number is below those of people. */
  system?: boolean;
  /** The home of a new user is made, out of /etc/skel. */
  createHome?: boolean;
  /** What it is now, and what it will be, in words. */
  was: string | null;
  to: string;
}

/**
 * A user of the host's own files (useradd and usermod of shadow). The undo gives an old one back what was changed. It removes a new one,
 * and the home that was made for it where nothing was put there.
 */
export function user({
  name,
  exists,
  createHome = false,
  system = false,
  was,
  to,
  ...given
}: UserStep): Step {
  const { uid, group, groups, home, shell, comment } = given;
  const flags = [
    ...(uid === undefined ? [] : ["--uid", String(uid)]),
    ...(group === undefined ? [] : ["--gid", group]),
    ...(groups === undefined ? [] : ["--groups", groups.join(",")]),
    ...(home === undefined ? [] : [exists ? "--home" : "--home-dir", home]),
    ...(shell === undefined ? [] : ["--shell", shell]),
    ...(comment === undefined ? [] : ["--comment", comment]),
    ...(exists || !system ? [] : ["--system"]),
    ...(exists ? [] : [createHome ? "--create-home" : "--no-create-home"]),
  ];
  return {
    kind: "user",
    what: `user ${name}`,
    from: was,
    to,
    resource: ["user", name],
    perform: exists ? sh`usermod ${flags} ${name}` : sh`cw_user_add ${name} ${flags}`,
    touches: ["user", "file:/etc/passwd", "file:/etc/group"],
    causes: [],
  };
}
