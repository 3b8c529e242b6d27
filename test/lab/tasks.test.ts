import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { rowNames } from "./playbooks/one-task.ts";
import { differences, snapshot } from "./snapshot.ts";
import { full, stepsOf, type TestLab, useLab } from "./support.ts";

const playbook = join(packageDir, "test/lab/playbooks/one-task.ts");
const standIn = join(packageDir, "src/lab/flanneld-stand-in.sh");

/** Where a task may put what it fetches. */
const folder = mkdtempSync(join(tmpdir(), "causeway-fetched-"));
afterAll(() => rmSync(folder, { recursive: true }));
/** What a host alone has nothing to do for; the schemes' own tests have them. */
const ofSeveral = ["swarm-members", "swarm-nodes"];

const names = readdirSync(join(packageDir, "tasks"))
  .filter((file) => file.endsWith(".ts"))
  .filter((file) => readFileSync(join(packageDir, "tasks", file), "utf8").includes("defineTask("))
  .map((file) => basename(file, ".ts"))
  .filter((name) => !ofSeveral.includes(name));

async function steps(lab: TestLab, task: string, ...args: string[]) {
  const result = await lab.events(playbook, [
    "-e",
    `task=${task}`,
    "-e",
    `stand_in=${standIn}`,
    "-e",
    `folder=${folder}`,
    ...args,
  ]);
  if (result.code !== 0)
    throw new Error(JSON.stringify(result.events.filter((e) => e.error)) + result.stderr);
  return {
    done: stepsOf(result.events, args.includes("--check")),
    waits: result.events.some((e) => e.type === "task" && e.later !== undefined),
  };
}

/** What runs, by name; what comes and goes by itself is left out, also what goes while it is asked. */
async function processes(lab: TestLab, host: string): Promise<string[]> {
  const all = await lab.must(host, "cat /proc/[0-9]*/comm 2>/dev/null; true");
  return all
    .split("\n")
    .filter(
      (name) => name !== "" && !/^(sshd?(-\w+)?|cat|sh|sleep|systemd-.*|\(sd-pam\)|kworker.*)$/.test(name),
    )
    .sort();
}

const host = "docker-200";
/** The article's Debian has no wireguard-go, and later ones have no consul. */
const isOfToday = (task: string) => task.startsWith("wireguard-");

/** What is for any host, whatever its network: it works in the Docker and the systemd of today as in those of the article. */
const general = [
  "file",
  "template",
  "lines",
  "fetch",
  "package",
  "unit",
  "sysctl",
  "user",
  "command",
  "wait-for",
  "docker-network",
  "docker-container",
];

test.runIf(full)("every task has a row", () => {
  expect(names.filter((name) => !rowNames.includes(name))).toEqual([]);
});

/** One after the other they take minutes; the schemes' own tests go through most of it. */
function alone(lab: TestLab, tasks: readonly string[]) {
  test.each(tasks)("%s: check, apply, nothing left, undo, equal to the start", async (task) => {
    await lab.reset();
    // What was fetched of another lab's host of that name is as good.
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
    // Docker's second start shows a gateway of its default network that its first one did not.
    await lab.must(host, "systemctl restart docker");
    const [start, running] = [await snapshot(lab, host), await processes(lab, host)];
    const check = await steps(lab, task, "--check");
    expect(await snapshot(lab, host)).toEqual(start);
    const applied = await steps(lab, task);
    expect(applied.done).not.toEqual([]);
    if (!check.waits) expect(applied.done).toEqual(check.done);
    else expect(applied.done).toEqual(expect.arrayContaining(check.done));
    expect((await steps(lab, task)).done).toEqual([]);
    const { code } = await lab.run("playbooks/reset.ts");
    expect(code).toBe(0);
    expect(differences(start, await snapshot(lab, host))).toEqual([]);
    expect(await processes(lab, host)).toEqual(running);
  });
}

describe.runIf(full).sequential("every task alone", () => {
  alone(
    useLab("test-tasks", 11, 1),
    names.filter((task) => !isOfToday(task)),
  );
});

describe.runIf(full).sequential("every task of today's hosts alone", () => {
  alone(useLab("test-tasks-28", 72, 1, "docker28"), names.filter(isOfToday));
});

describe.runIf(full).sequential("every general task alone, on trixie", () => {
  alone(useLab("test-tasks-13", 74, 1, "trixie"), general);
});

describe.runIf(full).sequential("every general task alone, on Docker 28", () => {
  alone(useLab("test-tasks-gen", 75, 1, "docker28"), general);
});
