import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CausewayError } from "../errors.ts";
import { startTime } from "./machine.ts";
import { labPaths } from "./paths.ts";
import type { LabSpec } from "./types.ts";

const usersOf = (spec: LabSpec) => join(labPaths(spec.name).folder, "users");

/** From here on this process uses the lab, until it ends, however it ends; `words` say what it does. */
export async function noteUser(spec: LabSpec, words: string): Promise<void> {
  await mkdir(usersOf(spec), { recursive: true });
  const file = join(usersOf(spec), String(process.pid));
  await writeFile(file, `${await startTime(process.pid)} ${words}\n`);
}

/** Hosts that somebody works on are not taken away. What is left of processes that ended goes. */
export async function refuseUsed(spec: LabSpec): Promise<void> {
  for (const name of await readdir(usersOf(spec)).catch(() => [])) {
    const file = join(usersOf(spec), name);
    const [started, ...words] = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
    if (Number(name) === process.pid) continue;
    if (started === "" || (await startTime(Number(name))) !== started) {
      await rm(file, { force: true });
      continue;
    }
    throw new CausewayError("lab", `the lab ${spec.name} is in use, so its hosts stay as they are`, {
      found: `${words.join(" ")} (process ${name})`,
      expected: "a lab that no run works on",
      advice: `wait until it ends, or end it after its current step: kill -INT ${name}`,
    });
  }
}
