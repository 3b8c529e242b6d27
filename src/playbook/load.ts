import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { BuildFailure, Plugin } from "esbuild";
import { cacheFolder } from "../cache-folder.mjs";
import { CausewayError, type Position } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { foldersFor, packageDir } from "../package-dir.ts";
import { nearest } from "../schema/nearest.ts";
import { placeOf, shownPath, thrownBy } from "../thrown.ts";
import type { Playbook } from "./define.ts";
import { notTypeScript } from "./not-typescript.ts";
import { playbookOf } from "./shape.ts";

/** A playbook as it was compiled: which sources it came from, with their checksums. */
interface Compiled {
  inputs: Readonly<Record<string, string>>;
}

/** The file that was meant: a path, or a bare name in `playbooks/`; `playbooks/…` is here or in this package. */
export function resolvePlaybookPath(given: string): string {
  const ends = extname(given) === "" ? [".ts", ""] : [""];
  const found = foldersFor(given, "playbooks")
    .flatMap((folder) => ends.map((end) => join(folder, given) + end))
    .find((f) => existsSync(f) && extname(f) !== "");
  if (found && !/^\.(json|ya?ml)$/.test(extname(found))) return resolve(found);
  const other = found ?? (existsSync(given) ? given : undefined);
  if (other !== undefined) throw notTypeScript(other);
  const names = readdirSync(join(packageDir, "playbooks"))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => basename(file, ".ts"));
  const meant = nearest(basename(given, ".ts"), names);
  if (/^(all|localhost)$|[*:,]/.test(given))
    throw new CausewayError("playbook", `${given} is no playbook: it looks like a pattern of hosts`, {
      expected: ownCommand("PLAYBOOK [-i INVENTORY] [-l PATTERN]"),
      advice: `give the playbook first, and the hosts with -l ${quote(given)}; whom a pattern names: ${ownCommand("PLAYBOOK --list-hosts")}`,
    });
  throw new CausewayError("playbook", `playbook ${given} not found`, {
    found: `no file ${resolve(given)}`,
    expected: "a TypeScript file whose default export is definePlaybook({ … })",
    advice: meant
      ? `did you mean ${meant}?`
      : `${/\.ya?ml$/.test(given) ? `playbooks are TypeScript (${ownCommand("init")} makes a project to begin with); ` : ""}this package has ${names.join(", ")}; for any other, give the path to its file`,
  });
}

/**
 * Loads a playbook. `door` is what it gets when it imports `causeway`: the module that is running, so that there is one
 * of everything. It is compiled by esbuild together with what it imports, once for each state of these files.
 */
export async function loadPlaybook(file: string, door: string): Promise<Playbook> {
  const loaded = (await loadModule(file, door)) as { default?: Partial<Playbook> };
  if (loaded.default?.causeway === "playbook")
    return playbookOf(loaded.default as Playbook, shownPath(file), readFileSync(file, "utf8"));
  throw new CausewayError("playbook", `${shownPath(file)} is not a playbook`, {
    at: { file: shownPath(file), line: 1, column: 1 },
    found: loaded.default === undefined ? "no default export" : "a default export that is not a playbook",
    expected: "export default definePlaybook({ name, summary, vars, plays })",
  });
}

/** The exports of a TypeScript file that imports `causeway`, compiled in the same way. */
export async function loadModule(file: string, door: string): Promise<Readonly<Record<string, unknown>>> {
  const compiled = await compile(file, door);
  process.setSourceMapsEnabled(true);
  return import(pathToFileURL(compiled).href).catch((error: unknown) => {
    throw loadError(file, error, door);
  });
}

const checksum = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");

/** The compiled file, out of the cache where every source is still what it was. */
async function compile(file: string, door: string): Promise<string> {
  const folder = join(cacheFolder(packageDir), "playbooks");
  const base = join(folder, `${basename(file, ".ts")}-${checksum(`${file} ${door}`).slice(0, 12)}`);
  const known = readCompiled(`${base}.json`);
  if (known && Object.entries(known.inputs).every(([path, sum]) => sumOf(path) === sum)) {
    return `${base}-${checksum(JSON.stringify(known.inputs)).slice(0, 12)}.mjs`;
  }
  const { code, inputs } = await bundle(file, door);
  const target = `${base}-${checksum(JSON.stringify(inputs)).slice(0, 12)}.mjs`;
  mkdirSync(folder, { recursive: true });
  replace(target, code);
  replace(`${base}.json`, JSON.stringify({ inputs } satisfies Compiled));
  return target;
}

function readCompiled(file: string): Compiled | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Compiled;
  } catch {
    return undefined;
  }
}

function sumOf(path: string): string | undefined {
  try {
    return checksum(readFileSync(path));
  } catch {
    return undefined;
  }
}

/** Another run may read it at the same moment: it is there as a whole or not at all. */
function replace(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

async function bundle(file: string, door: string): Promise<{ code: string; inputs: Record<string, string> }> {
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    metafile: true,
    absWorkingDir: dirname(file),
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    target: "node20",
    sourcemap: "inline",
    sourcesContent: false,
    logLevel: "silent",
    outfile: join(cacheFolder(packageDir), "playbooks", "out.mjs"),
    define: { "import.meta.url": JSON.stringify(pathToFileURL(file).href) },
    plugins: [oneDoor(door)],
  }).catch((error: BuildFailure) => {
    throw buildError(error, file);
  });
  const paths = Object.keys(result.metafile.inputs).map((path) => resolve(dirname(file), path));
  return {
    code: result.outputFiles[0]?.text ?? "",
    inputs: Object.fromEntries(paths.map((path) => [path, sumOf(path) ?? ""])),
  };
}

/** `causeway` is this very program, and `causeway/tasks` are its tasks, wherever the playbook lies. */
function oneDoor(door: string): Plugin {
  return {
    name: "causeway",
    setup({ onResolve }) {
      onResolve({ filter: /^causeway$/ }, () => ({ path: pathToFileURL(door).href, external: true }));
      onResolve({ filter: /^causeway\/tasks$/ }, () => ({ path: join(packageDir, "tasks/index.ts") }));
    },
  };
}

function buildError(error: BuildFailure, file: string): unknown {
  const [first] = error.errors ?? [];
  if (!first) return error;
  const { location } = first;
  const at: Position = location
    ? {
        file: shownPath(resolve(dirname(file), location.file)),
        line: location.line,
        column: location.column + 1,
      }
    : { file: shownPath(file), line: 1, column: 1 };
  return new CausewayError("playbook", first.text, {
    at,
    ...(location?.lineText ? { found: location.lineText.trim() } : {}),
    ...(/^Could not resolve/.test(first.text)
      ? { advice: "check the path, with its ending .ts; a package has to be installed beside the playbook" }
      : {}),
  });
}

/** What went wrong while the playbook's own top-level code ran, with its place in the source. */
function loadError(file: string, error: unknown, door: string): unknown {
  if (error instanceof CausewayError) {
    const at = placeOf(error, file);
    return error.detail.at || !at
      ? error
      : new CausewayError(error.code, error.message, { ...error.detail, at });
  }
  if (!(error instanceof Error)) return thrownBy("the playbook", error);
  const missing = /does not provide an export named '([^']+)'/.exec(error.message)?.[1];
  if (missing !== undefined) {
    const offered = [...readFileSync(door, "utf8").matchAll(/\b[A-Za-z]\w+\b/g)].map(([word]) => word);
    const meant = nearest(missing, offered);
    return new CausewayError("playbook", `causeway has no export ${missing}`, {
      at: { file: shownPath(file), line: 1, column: 1 },
      ...(meant ? { advice: `did you mean ${meant}?` } : {}),
    });
  }
  const at = placeOf(error, file);
  return new CausewayError("playbook", `${error.name}: ${error.message}`, {
    at: at ?? { file: shownPath(file), line: 1, column: 1 },
    advice: "this was thrown while the playbook was loaded",
    cause: error,
  });
}
