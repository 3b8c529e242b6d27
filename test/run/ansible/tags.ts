import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** The tags of a play and of each of its tasks. */
export interface Tagged {
  play: readonly string[];
  tasks: readonly (readonly string[])[];
}

const tasks = [
  [],
  ["a"],
  ["b"],
  ["a", "b"],
  ["always"],
  ["never"],
  ["never", "a"],
  ["always", "a"],
  ["always", "never"],
] as const;

export const playsWithTags: readonly Tagged[] = [
  { play: [], tasks },
  { play: ["p"], tasks },
  { play: ["never"], tasks },
  { play: ["always"], tasks },
];

/** `--tags` and `--skip-tags`, as words with commas; an empty one is not given. */
export const tagOptions: readonly (readonly [tags: string, skip: string])[] = [
  ["", ""],
  ["all", ""],
  ["a", ""],
  ["a,b", ""],
  ["p", ""],
  ["tagged", ""],
  ["untagged", ""],
  ["never", ""],
  ["always", ""],
  ["all,never", ""],
  ["", "a"],
  ["", "a,p"],
  ["", "tagged"],
  ["", "untagged"],
  ["", "always"],
  ["", "never"],
  ["", "all"],
  ["", "all,always"],
  ["a", "b"],
  ["tagged", "a"],
  ["a", "always"],
  ["tagged", "always"],
  ["all", "never"],
];

/** What `ansible-playbook --list-tasks` lists, as `PLAY.TASK`, both from 0. */
export async function ansiblesChoice([tags, skip]: readonly [string, string]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-ansible-"));
  const plays = playsWithTags.map((one, p) => ({
    hosts: "localhost",
    gather_facts: false,
    tags: one.play,
    tasks: one.tasks.map((own, t) => ({ name: `task ${p}.${t}`, raw: "true", tags: own })),
  }));
  writeFileSync(join(folder, "play.yaml"), JSON.stringify(plays));
  const options = [...(tags ? ["--tags", tags] : []), ...(skip ? ["--skip-tags", skip] : [])];
  try {
    const args = ["-i", "localhost,", "play.yaml", "--list-tasks", ...options];
    const { stdout } = await promisify(execFile)("ansible-playbook", args, { cwd: folder });
    return [...stdout.matchAll(/task (\d+\.\d+)/g)].map(([, name = ""]) => name);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
