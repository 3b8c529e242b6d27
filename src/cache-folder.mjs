// Where this program keeps what it can make again. JavaScript, because the launcher asks before anything is compiled.
import { accessSync, constants, lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

/** What the launcher tells the program that it starts: from a cache elsewhere the package could not be found. */
export const packageFolderKey = Symbol.for("causeway.packageFolder");

/**
 * The folder for bundles, compiled playbooks and fetched archives: the package's own `.cache`; where that cannot be written,
 * the user's; else a temporary one. Programs are run out of it: one that others could write is not taken.
 */
export function cacheFolder(packageFolder, env = process.env) {
  const own = join(packageFolder, ".cache");
  const [users, temporary] = foldersOfUser(env);
  const refused = [];
  for (const folder of [own, users, temporary]) {
    const why = refusal(folder, folder !== own, folder === temporary);
    if (why === undefined) return folder;
    refused.push(`  ${folder}: ${why}`);
  }
  throw new Error(
    `there is no folder for the cache\n${refused.join("\n")}\n  set XDG_CACHE_HOME to a folder of your own that can be written`,
  );
}

/** The user's folder by the XDG rules, and one of that user's among the temporary ones. */
function foldersOfUser(env) {
  const given = env.XDG_CACHE_HOME ?? "";
  return [
    join(isAbsolute(given) ? given : join(homedir(), ".cache"), "causeway"),
    join(tmpdir(), `causeway-${process.getuid?.() ?? "cache"}`),
  ];
}

/** Why a folder cannot be taken; it is made where it is missing. */
function refusal(folder, ofUser, closed) {
  try {
    mkdirSync(folder, { recursive: true, mode: ofUser ? 0o700 : 0o777 });
    accessSync(folder, constants.W_OK | constants.X_OK);
    const found = lstatSync(folder);
    if (ofUser && found.uid !== process.getuid?.()) return "it belongs to somebody else";
    if (ofUser && (found.mode & (closed ? 0o077 : 0o022)) !== 0) return "others may write in it";
    if (closed && !found.isDirectory()) return "it is no folder";
    return undefined;
  } catch (error) {
    return error.message;
  }
}
