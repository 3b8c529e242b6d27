import { type Archive, CausewayError, later, missingPrograms, type PlanItem, step } from "causeway";
import { versionOf } from "./etcd-api.ts";
import { restartOf } from "./files.ts";
import type { Params } from "./params.ts";
import { paths, type State } from "./state.ts";

/** The flanneld that will run: where it lies, its version if it says one, and the steps that bring it there. */
export interface Program {
  path: string;
  version?: string;
  missing: readonly PlanItem[];
}

/** What brings flanneld decides where it lies; without any, the one that is there is taken. */
export function programOf(state: State, wanted: Params): Program {
  if (state.local) return pushed(state, state.local);
  if (wanted.archive) return unpacked(state, wanted.archive);
  if (wanted.package !== undefined) return packaged(state, wanted.package);
  for (const name of ["binary", "packaged"] as const) {
    if (state.files[name].kind === "file")
      return { path: paths[name], ...knownVersion(state, name), missing: [] };
  }
  throw new CausewayError("host", "flanneld is not on this host, and none was given", {
    found: `nothing at ${paths.binary} and ${paths.packaged}`,
    expected: "flannel_binary (a file on this machine, for this host's architecture), or flannel_package",
    advice:
      "get it from https://github.com/flannel-io/flannel/releases, then run with -e flannel_binary=./flanneld",
  });
}

function pushed(state: State, local: NonNullable<State["local"]>): Program {
  const path = paths.binary;
  const { sha256, mode } = state.files.binary;
  if (sha256 === local.sha256 && (Number.parseInt(mode, 8) & 0o100) !== 0)
    return { path, ...knownVersion(state, "binary"), missing: [] };
  const push = step.pushedFile({
    was: state.files.binary,
    from: local,
    mode: "755",
    causes: restartOf(state),
  });
  const version = versionOf(local.version);
  return version === undefined
    ? { path, missing: [push, later("flanneld's version is known once it is on the host")] }
    : { path, version, missing: [push] };
}

function unpacked(state: State, archive: Archive): Program {
  const path = paths.binary;
  const steps = missingPrograms(state.programs, archive, restartOf(state));
  if (steps.length === 0) return { path, ...knownVersion(state, "binary"), missing: [] };
  return { path, missing: [...steps, later("flanneld's version is known once it is unpacked")] };
}

function packaged(state: State, name: string): Program {
  const path = paths.packaged;
  if (state.files.packaged.kind === "file") return { path, ...knownVersion(state, "packaged"), missing: [] };
  const install = step.packages({ names: [name] });
  return { path, missing: [install, later("flanneld's version is known once its package is there")] };
}

/** A build of one's own may say no version; one that does not run at all is for another machine. */
function knownVersion({ versions }: State, name: "binary" | "packaged"): Pick<Program, "version"> {
  const { code, said } = versions[name];
  const version = versionOf(said);
  if (version !== undefined) return { version };
  if (code === 0) return {};
  throw new CausewayError("host", `${paths[name]} does not run on this host`, {
    found: said || `exit code ${code}`,
    expected: "a flanneld for this host's architecture (uname -m)",
    command: `${paths[name]} --version`,
    advice: "get the right one from https://github.com/flannel-io/flannel/releases",
  });
}
