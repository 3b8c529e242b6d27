import { createHash } from "node:crypto";
import { type TArray, type TOptional, type TString, Type } from "typebox";
import { CausewayError } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import { Secret, sh } from "../host/sh.ts";
import type { FileState } from "../host/tools/file.ts";
import type { LocalFile } from "../kinds/file/pushed-file.ts";
import { step } from "../kinds/index.ts";
import { AbsolutePath } from "../schema/types.ts";
import {
  type Consequence,
  daemonReload,
  later,
  owed,
  type PlanItem,
  reload,
  restart,
  type Step,
} from "../task/step.ts";

/** What tasks that put a file on a host take, whatever they put into it: parameters for `Type.Object`. */
export const placedFileParams: {
  path: TString;
  mode: TOptional<TString>;
  owner: TOptional<TString>;
  reloads: TOptional<TArray<TString>>;
  restarts: TOptional<TArray<TString>>;
} = {
  path: AbsolutePath({ description: "the file; folders above it are made, a symbolic link is followed" }),
  mode: Type.Optional(
    Type.String({
      pattern: "^[0-7]{3,4}$",
      description: "its permissions in octal; default: as it is, 644 for a new file",
    }),
  ),
  owner: Type.Optional(
    Type.String({
      pattern: "^[^:\\s]+:[^:\\s]+$",
      description: "`user:group`, by name or number; default: as it is, root:root for a new file",
    }),
  ),
  reloads: Type.Optional(
    Type.Array(Type.String(), { description: "units that are reloaded when the file changed" }),
  ),
  restarts: Type.Optional(
    Type.Array(Type.String(), { description: "units that are restarted when the file changed" }),
  ),
};

/** Where a file goes, who owns it, and who has to hear of it. */
export interface PlacedFile {
  path: string;
  mode?: string;
  owner?: string;
  reloads?: string[];
  restarts?: string[];
}

/** A file as it is, and who has not read it yet. */
export interface PlacedFileState {
  file: FileState;
  /** The wanted owner as numbers, `1000:1000`; undefined where the host knows no such user or group, or none is wanted. */
  owner?: string;
  /** Running units that started, or reloaded, before the file was written. */
  stale: readonly string[];
}

/** Reads what a file to be placed is now; everything travels in one trip. */
export async function readPlacedFile(
  host: Reader,
  { path, owner, reloads = [], restarts = [] }: PlacedFile,
): Promise<PlacedFileState> {
  const [file, numbers, ...isStale] = await Promise.all([
    host.file(path),
    owner === undefined ? undefined : readOwner(host, owner),
    ...restarts.map((unit) => isOlder(host, unit, path, "ActiveEnterTimestamp")),
    // A reload is a change of the unit's state, too: active, reloading, active.
    ...reloads.map((unit) => isOlder(host, unit, path, "StateChangeTimestamp")),
  ]);
  const stale = [...restarts, ...reloads].filter((_, index) => isStale[index]);
  return { file, stale, ...(numbers === undefined ? {} : { owner: numbers }) };
}

async function readOwner(host: Reader, owner: string): Promise<string | undefined> {
  const [user = "", group = ""] = owner.split(":");
  const { stdout } = await host.read(
    sh`number() { case $2 in *[!0-9]*) getent "$1" "$2" | cut -d : -f 3 ;; *) echo "$2" ;; esac; }
echo "$(number passwd ${user}):$(number group ${group})"`,
    { looksAt: ["user"] },
  );
  return /^(\d+:\d+)$/m.exec(stdout)?.[1];
}

async function isOlder(host: Reader, unit: string, path: string, since: string): Promise<boolean> {
  const { code } = await host.read(
    sh`systemctl is-active -q ${unit} && [ -e ${path} ] &&
[ "$(stat -L -c %Y ${path})" -gt "$(date +%s -d "$(TZ=UTC0 LC_ALL=C systemctl show -p ${since} --value ${unit})")" ]`,
    { looksAt: [`file:${path}`, `unit:${unit}`] },
  );
  return code === 0;
}

/** What is to be in the file: a text, a file of the controller, or nothing, where there is to be none. */
export type Content = { text: string; secret?: boolean } | { from: LocalFile } | { absent: true };

/** The steps that are missing for a file, or the reloads and restarts that its readers still owe. */
export function missingPlacedFile(
  { file, owner: numbers, stale }: PlacedFileState,
  { path, mode, owner, reloads = [], restarts = [] }: PlacedFile,
  content: Content,
): readonly PlanItem[] {
  if (file.kind === "folder")
    throw new CausewayError("host", `${path} is a folder`, {
      found: "a folder",
      expected: "a file, or nothing",
      command: `ls -la ${path}`,
      advice: "give another path, or move the folder away by hand",
    });
  if (owner !== undefined && numbers === undefined)
    return [later(`the host has no user or group as in ${owner} yet`)];
  const causes = [
    ...(isOfSystemd(path) ? [daemonReload] : []),
    ...reloads.map(reload),
    ...restarts.map(restart),
  ];
  const step = stepFor(file, { mode, owner, causes }, content);
  if (step && !isAlike(file, { mode, numbers }, content)) return [{ ...step, touches: touched(path) }];
  const why = `${path} is newer than its start`;
  return [
    ...restarts.filter((unit) => stale.includes(unit)).map((unit) => owed(restart(unit), why)),
    ...reloads.filter((unit) => stale.includes(unit)).map((unit) => owed(reload(unit), why)),
  ];
}

interface Wanted {
  mode: string | undefined;
  owner: string | undefined;
  causes: readonly Consequence[];
}

function stepFor(was: FileState, { mode, owner, causes }: Wanted, content: Content): Step | undefined {
  const given = { was, causes, ...(mode ? { mode: plain(mode) } : {}), ...(owner ? { owner } : {}) };
  if ("absent" in content)
    return was.kind === "absent" ? undefined : step.file({ was, causes, content: null });
  if ("from" in content)
    return step.pushedFile({ ...given, mode: given.mode ?? (was.mode || "644"), from: content.from });
  return step.file({ ...given, content: content.secret ? new Secret(content.text) : content.text });
}

function isAlike(
  was: FileState,
  { mode, numbers }: { mode: string | undefined; numbers: string | undefined },
  content: Content,
): boolean {
  if ("absent" in content) return was.kind === "absent";
  const sha256 =
    "from" in content ? content.from.sha256 : createHash("sha256").update(content.text).digest("hex");
  return (
    was.sha256 === sha256 &&
    (mode === undefined || was.mode === plain(mode)) &&
    (numbers === undefined || `${was.uid}:${was.gid}` === numbers)
  );
}

/** As `stat` prints it: 0644 is 644. */
function plain(mode: string): string {
  return mode.replace(/^0(?=...)/, "");
}

/** Whether systemd reads it: a unit, or a drop-in. */
function isOfSystemd(path: string): boolean {
  return /^\/(etc|run|usr\/local\/lib)\/systemd\/(system|user)\//.test(path);
}

/** What is read again: the file and, of a unit's file, the unit. */
function touched(path: string): string[] {
  const unit = /\/systemd\/system\/([^/]+?)(\.d\/[^/]+)?$/.exec(path)?.[1];
  return [`file:${path}`, ...(unit ? [`unit:${unit}`, `unit:${unit.replace(/\.service$/, "")}`] : [])];
}
