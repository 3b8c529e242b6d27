import { accessSync, constants } from "node:fs";
import { basename, join, resolve } from "node:path";
import { quote } from "./host/sh.ts";

/** A command of this program, as it works when it is pasted where this one was typed: `./run history` in a fresh clone. */
export function ownCommand(...words: readonly (string | undefined)[]): string {
  return [called, ...words].filter(Boolean).join(" ");
}

/** How its user called this program; the launcher passes it on. */
export function calledAs(env: NodeJS.ProcessEnv): string {
  const path = env.CAUSEWAY_CALLED_AS;
  if (path === undefined) return "run";
  // npx and the scripts of a package.json have a PATH of their own.
  if (env.npm_config_user_agent !== undefined && path.includes("/node_modules/.bin/"))
    return `npx ${basename(path)}`;
  if (resolve(path) === onPath(basename(path), env.PATH ?? "")) return basename(path);
  return quote(path.includes("/") ? path : `./${path}`);
}

/** Which file a shell starts by a name alone. */
function onPath(name: string, folders: string): string | undefined {
  return folders
    .split(":")
    .map((folder) => resolve(join(folder, name)))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const called = calledAs(process.env);
