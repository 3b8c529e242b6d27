import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReporter } from "../../src/report/create.ts";
import type { ReporterOptions } from "../../src/report/options.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { began, changed, ended, failed, playOn, webs } from "./fleet.ts";
import { FakeTerminal, quiet } from "./terminal.ts";

const before = process.cwd();
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-"));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

const file = "causeway-runs/R1/transcript.txt";

async function report(events: readonly RunEvent[], over: Partial<ReporterOptions> = {}) {
  const [stdout, stderr] = [new FakeTerminal(), new FakeTerminal()];
  const streams = { stdout: stdout.stream, stderr: stderr.stream };
  const reporter = await createReporter({ ...quiet, output: "plain", ...streams, ...over });
  for (const event of events) reporter.event(event);
  await reporter.close();
  return { stdout, stderr };
}

const runOn = (n: number): RunEvent[] => {
  const hosts = webs(n);
  const command: RunEvent = { at: 1, type: "command", host: "web1", command: "echo hunter2", code: 0, ms: 1 };
  const output: RunEvent = { at: 1, type: "output", host: "web1", what: "x", lines: ["hunter2"] };
  const ok = { host: "web2", play: "", task: "ip-forward", key: "" } as const;
  return [
    began(hosts),
    command,
    output,
    playOn(hosts),
    { at: 1050, type: "task", ...ok, state: "ok" },
    ...hosts.flatMap((host) => changed(host, "routes", "4 routes")),
    failed("web3"),
    ended(hosts),
  ];
};

describe("the transcript in the run's folder", () => {
  it.each(["plain", "pretty", "json"] as const)(
    "has every line of many hosts, with its time: %s",
    async (output) => {
      const { stdout } = await report(runOn(5), { output });
      const lines = readFileSync(file, "utf8").split("\n");
      expect(lines.slice(0, 9)).toEqual([
        "    0.000  static-route: Routes between hosts",
        "    0.000  run R1 on 5 hosts",
        "",
        "    1.000  PLAY Route to every peer",
        "    1.050  web2  ok       ip-forward",
        ...webs(4).map((host) => `    1.120  ${host}  changed  static-route peers  routes: — → 4 routes`),
      ]);
      expect(lines).toContain("    9.000  web5 : ok=1 changed=0 failed=0 unreachable=0 restarts=0 owed=—");
      expect(lines.join("\n")).not.toContain("hunter2");
      if (output !== "json") expect(stdout.lines.at(-2)).toBe(`every line is in ${file}`);
    },
  );

  it("is readable by its owner only", async () => {
    await report(runOn(5));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const path of ["causeway-runs", "causeway-runs/R1"]) expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it("is not kept of a few hosts", async () => {
    const { stdout } = await report(runOn(4));
    expect(existsSync("causeway-runs")).toBe(false);
    expect(stdout.text).not.toContain("every line");
  });

  it.each(["plain", "json"] as const)(
    "costs the run nothing but a line where it cannot be written: %s",
    async (output) => {
      writeFileSync("causeway-runs", "");
      chmodSync("causeway-runs", 0o600);
      const { stdout, stderr } = await report(runOn(5), { output });
      const told = stdout.lines.filter((line) => line.includes("no transcript is kept"));
      expect(told).toEqual([expect.stringContaining(`${join(folder, file)} cannot be written`)]);
      expect(stdout.text).not.toContain("every line");
      expect(stdout.lines.at(-1)).toContain(output === "json" ? '"exitCode":0' : "exit code 0");
      expect(stderr.text).toBe("");
    },
  );
});
