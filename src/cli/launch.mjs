// Starts the command line out of a bundle that is made once for each state of the sources, so that a start takes
// tens of milliseconds. This file is JavaScript because nothing has been compiled yet when it runs.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { cacheFolder, packageFolderKey } from "../cache-folder.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`run: Node ${process.versions.node} is too old; causeway needs 20.19 or newer\n`);
  process.exit(5);
}

/** What says which packages are installed: in a checkout, in another project's node_modules, or else what is asked for. */
function installed() {
  const files = ["package-lock.json", "../.package-lock.json", "package.json"];
  return readFileSync(files.map((name) => join(root, name)).find((file) => existsSync(file)));
}

/** Of every source file and of what is installed: another state is another bundle. */
function stateOfSources(cache) {
  const hash = createHash("sha256").update(installed());
  // From a cache elsewhere there are links to this very place.
  if (!isWithin(cache)) hash.update(root);
  for (const entry of readdirSync(join(root, "src"), { recursive: true }).sort()) {
    if (!/\.(ts|mjs)$/.test(entry)) continue;
    hash.update(`\0${entry}\0`).update(readFileSync(join(root, "src", entry)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Whether what lies there finds the installed packages by itself. */
function isWithin(cache) {
  return cache.startsWith(`${root}/`);
}

/** What is CommonJS inside an ES module finds Node's own modules by this. */
const requireIn = {
  cjs: {},
  esm: { js: "import { createRequire as __r } from 'node:module'; const require = __r(import.meta.url);" },
};

/** Of everything that is bundled here. */
const common = { bundle: true, platform: "node", target: "node20", keepNames: true, logLevel: "error" };

/** The packages that every run loads, a file each beside the bundle, where it finds them first: reading fifty takes longer. */
async function bundlePackages(build, folder) {
  const format = { ajv: "cjs", yaml: "cjs", ssh2: "cjs", "node-ssh": "esm" };
  for (const [name, kind] of Object.entries(format)) {
    await build({
      ...common,
      entryPoints: { [`${name}/index`]: name },
      absWorkingDir: root,
      format: kind,
      banner: requireIn[kind],
      outdir: folder,
      // ssh2's own ciphers, compiled where npm could; without them it takes Node's.
      loader: { ".node": "copy" },
      external: ["cpu-features", ...(name === "ssh2" ? [] : ["ssh2"])],
    });
    const module = kind === "esm" ? "module" : "commonjs";
    writeFileSync(join(folder, name, "package.json"), JSON.stringify({ type: module, main: "index.js" }));
  }
}

/** Loaded when they are needed, from where they are installed. */
const apart = ["zx", "listr2", "esbuild", "diff"];

function linkPackages(folder) {
  for (const name of apart)
    symlinkSync(folderOf(fileURLToPath(import.meta.resolve(name)), name), join(folder, name));
}

function folderOf(file, name) {
  const end = `/node_modules/${name}/`;
  return file.slice(0, file.lastIndexOf(end) + end.length - 1);
}

async function bundle(folder) {
  const { build } = await import("esbuild");
  const temporary = `${folder}.${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  await build({
    ...common,
    entryPoints: { main: join(root, "src/cli/main.ts"), index: join(root, "src/index.ts") },
    splitting: true,
    format: "esm",
    mainFields: ["module", "main"],
    minifySyntax: true,
    sourcemap: "linked",
    outdir: temporary,
    outExtension: { ".js": ".mjs" },
    external: ["node-ssh", "ssh2", "ajv", ...apart, "zx/core"],
    banner: requireIn.esm,
  });
  await bundlePackages(build, join(temporary, "node_modules"));
  if (!isWithin(folder)) linkPackages(join(temporary, "node_modules"));
  // Bundles of earlier states go; a day's grace, because a run that is still going loads parts of its own.
  for (const name of readdirSync(dirname(folder))) {
    const path = join(dirname(folder), name);
    if (path !== temporary && Date.now() - statSync(path).mtimeMs > 86_400_000)
      rmSync(path, { recursive: true, force: true });
  }
  try {
    renameSync(temporary, folder);
  } catch (error) {
    // Another process was faster.
    if (!existsSync(folder)) throw error;
    rmSync(temporary, { recursive: true, force: true });
  }
}

function ownCache() {
  try {
    return cacheFolder(root);
  } catch (error) {
    process.stderr.write(`run: ${error.message}\n`);
    process.exit(5);
  }
}

const cache = ownCache();
const folder = join(cache, "bundle", stateOfSources(cache));
if (!existsSync(folder)) await bundle(folder);
globalThis[packageFolderKey] = root;
await import(pathToFileURL(join(folder, "main.mjs")).href);
