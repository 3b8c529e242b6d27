import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { CausewayError } from "../errors.ts";
import { sh } from "../host/sh.ts";
import type { Fetched } from "../task/step.ts";
import { writeWholeFile } from "../whole-file.ts";
import type { HostRun } from "./host-run.ts";
import type { TaskPlan } from "./plan.ts";

/** How long a file may take, in milliseconds. */
const timeoutMs = 600_000;

/** Brings the files of a plan to this machine, each whole or not at all, for its user only. */
export async function fetchFiles(host: HostRun, { instance, fetches }: TaskPlan): Promise<void> {
  for (const one of fetches) {
    const about = { type: "step", host: host.name, task: instance.task, step: one } as const;
    const began = Date.now();
    host.say({ ...about, state: "started" });
    await fetchFile(host, `${instance.task} ${instance.key}`, one.fetch);
    host.recap.steps += 1;
    host.say({ ...about, state: "done", ms: Date.now() - began });
    // The plan looked at this machine, too.
    host.memory.forget(["fetched"]);
  }
}

async function fetchFile(host: HostRun, task: string, { from, sha256, to }: Fetched["fetch"]): Promise<void> {
  const script = sh`base64 -w 0 <${from}`;
  const { stdout, stderr, code } = await host.session.run(script.text, { timeoutMs });
  const bytes = Buffer.from(stdout, "base64");
  const common = { host: host.name, task };
  if (code !== 0 || createHash("sha256").update(bytes).digest("hex") !== sha256)
    throw new CausewayError("host", `${from} is not what it was when it was read`, {
      ...common,
      command: script.text,
      ...(stderr ? { output: stderr } : {}),
      expected: "a file that nobody writes meanwhile",
      advice: `run again; ${to} is as it was`,
    });
  try {
    mkdirSync(dirname(to), { recursive: true });
    writeWholeFile(to, bytes, 0o600);
  } catch (error) {
    throw new CausewayError("host", `${to} cannot be written on this machine`, {
      ...common,
      found: error instanceof Error ? error.message : String(error),
      expected: "a folder that the user of this run can write to",
      cause: error,
    });
  }
}
