// Starts the command line out of a bundle that is made once for each state of the sources, so that a start takes
// tens of milliseconds. This file is JavaScript because nothing has been compiled yet when it runs.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as nodeModule from "node:module";
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
  return files.map((name) => join(root, name)).find((file) => existsSync(file));
}

/** Every file below a folder, with the time of its last change, which nobody can set, and its size. */
function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (/\.(ts|mjs)$/.test(entry.name)) yield stateOf(path);
  }
}

function stateOf(file) {
  const { ctimeMs, size } = statSync(file);
  return `${file} ${ctimeMs} ${size}`;
}

/** Of every source file and of what is installed: another state is another bundle. To read them all would take longer. */
function stateOfSources() {
  // The whole paths are in it: from a cache elsewhere there are links to this very place.
  const states = [stateOf(installed()), ...filesBelow(join(root, "src"))];
  return createHash("sha256").update(states.sort().join("\n")).digest("hex").slice(0, 16);
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
const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: "error",
};

/** What a client needs of ssh2: its server, its key generator and its agents over HTTP stay unread. */
const clientOfSsh2 = `module.exports = {
  createAgent: require("ssh2/lib/agent.js").createAgent,
  Client: require("ssh2/lib/client.js"),
  utils: { parseKey: require("ssh2/lib/protocol/keyParser.js").parseKey },
};`;

/**
 * The packages that every run loads, a file each beside the bundle, where it finds them first: reading fifty takes longer.
 * node-ssh is CommonJS, too, because Node reads through every such module that an ES module imports, and ssh2 is large.
 */
async function bundlePackages(build, folder) {
  const format = { ajv: "cjs", yaml: "cjs", ssh2: "cjs", "node-ssh": "cjs", listr2: "esm" };
  for (const [name, kind] of Object.entries(format)) {
    const options = {
      ...common,
      absWorkingDir: root,
      format: kind,
      banner: requireIn[kind],
      // ssh2's own ciphers, compiled where npm could; without them it takes Node's.
      loader: { ".node": "copy" },
      external: ["cpu-features", ...(name === "ssh2" ? [] : ["ssh2"])],
    };
    if (name === "ssh2")
      await build({
        ...options,
        stdin: { contents: clientOfSsh2, resolveDir: root },
        outfile: join(folder, name, "index.js"),
      });
    else await build({ ...options, entryPoints: { [`${name}/index`]: name }, outdir: folder });
    const module = kind === "esm" ? "module" : "commonjs";
    writeFileSync(join(folder, name, "package.json"), JSON.stringify({ type: module, main: "index.js" }));
  }
}

/** Loaded when they are needed, from where they are installed. */
const apart = ["zx", "esbuild"];

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
    // Node would read a map with each part; who reports a bug looks into them.
    sourcemap: "external",
    outdir: temporary,
    outExtension: { ".js": ".mjs" },
    external: ["node-ssh", "ssh2", "ajv", "listr2", ...apart, "zx/core"],
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
// Node 22 keeps what it compiled; a folder that cannot be written to costs the time only.
nodeModule.enableCompileCache?.(join(cache, "compiled"));
const folder = join(cache, "bundle", stateOfSources());
if (!existsSync(folder)) await bundle(folder);
globalThis[packageFolderKey] = root;
await import(pathToFileURL(join(folder, "main.mjs")).href);
