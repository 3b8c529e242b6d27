import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readJournalScript } from "../../src/journal/entries.ts";
import { journalFolder } from "../../src/journal/folder.ts";
import { hostLibrary } from "../../src/journal/library.ts";
import { hostScript } from "../../src/journal/script.ts";
import { restart } from "../../src/task/step.ts";

let folder: string;
const at = (path: string) => join(folder, path);

/** A host whose systemd has so many looks' worth of work left with causeway-network.service; each look takes so many seconds. */
function hostWith({
  apply = true,
  jobs = "",
  seconds = 1,
}: Partial<Record<"apply", boolean>> & HostJobs = {}) {
  if (apply) {
    writeFileSync(at("causeway/apply"), "");
    chmodSync(at("causeway/apply"), 0o755);
  }
  writeFileSync(at("jobs"), jobs);
  writeFileSync(at("seconds"), String(seconds));
}
interface HostJobs {
  /** A line for each look that still finds the unit at work. */
  jobs?: string;
  seconds?: number;
}

const work = " 812 causeway-network.service start running\n";
const systemctl = () => `#!/bin/sh
cd ${folder}
echo "$*" >>asked
case $1 in
  restart) printf '${work.trimEnd()}\\n%.0s' 1 2 3 >jobs ;;
  list-jobs)
    read -r up rest <uptime
    echo "$((\${up%.*} + $(cat seconds))).50 0.00" >uptime
    head -n 1 jobs
    sed -i 1d jobs ;;
  is-active) echo active ;;
  show) echo 7 ;;
esac
`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-kept-"));
  for (const name of ["bin", "causeway", "journal"]) mkdirSync(at(name));
  writeFileSync(at("uptime"), "1000.00 0.00\n");
  writeFileSync(at("bin/systemctl"), systemctl());
  chmodSync(at("bin/systemctl"), 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** In a real shell, against that host. */
function shell(text: string) {
  const here = text
    .replaceAll(journalFolder, at("journal"))
    .replaceAll("/etc/causeway/apply", at("causeway/apply"))
    .replaceAll("/proc/uptime", at("uptime"));
  const env = { PATH: `${at("bin")}:${process.env.PATH}` };
  // As a file: with the whole library it is longer than one word of a command may be.
  writeFileSync(at("script"), here);
  const { stdout, stderr } = spawnSync("sh", [at("script")], { encoding: "utf8", env });
  expect(stderr).toBe("");
  return stdout;
}
const asked = () => (existsSync(at("asked")) ? readFileSync(at("asked"), "utf8").trim().split("\n") : []);
const looks = () => asked().filter((words) => words.startsWith("list-jobs")).length;
const left = () => readFileSync(at("jobs"), "utf8");

describe("a host is looked at when what is kept is back in its place", () => {
  test.each<[name: string, given: Parameters<typeof hostWith>[0], looks: number]>([
    ["nothing is kept: not even a question", { apply: false, jobs: work }, 0],
    ["nothing is at work", {}, 1],
    ["the unit is at work for two looks", { jobs: work.repeat(2) }, 3],
    ["a unit that hangs is given up after half a minute", { jobs: work.repeat(9), seconds: 10 }, 3],
  ])("%s", (_name, given, expected) => {
    hostWith(given);
    shell(`${hostLibrary().text}\ncw_await_kept`);
    expect(looks()).toBe(expected);
  });

  test("before the journal is read, and so before all that is read behind it", () => {
    hostWith({ jobs: work.repeat(2) });
    writeFileSync(at("journal/head"), "R1 0001\n");
    expect(shell(readJournalScript.text)).toContain("head R1 0001\n");
    expect([looks(), left()]).toEqual([3, ""]);
  });

  test("after a restart, before the script ends", () => {
    hostWith();
    const due = [{ consequence: restart("docker"), causedBy: [] }];
    const record = JSON.stringify({ id: "R1" });
    const said = shell(
      hostScript({ run: "R1", host: "h1", head: "", who: "ops", record, libraries: [], actions: [], due })
        .text,
    );
    expect(said).toContain("@cw end restart docker\n");
    expect(asked().filter((words) => /^(restart|list-jobs)/.test(words))).toEqual([
      "restart docker",
      ...Array.from({ length: 4 }, () => "list-jobs --no-legend causeway-network.service"),
    ]);
    expect(left()).toBe("");
  });

  test.each(["docker", "docker.service"])("after a step that starts %s, before the next one", (unit) => {
    hostWith({ jobs: work.repeat(2) });
    shell(`${hostLibrary().text}\ncw_unit_put ${unit} '' yes ''`);
    expect([looks(), left()]).toEqual([3, ""]);
  });
});
