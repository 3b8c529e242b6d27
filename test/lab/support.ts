import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ImageName } from "../../src/lab/images.ts";
import { type LabSpec, labConnection, labDown, labReset, labStatus, labUp } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { misfits } from "../report/schema.ts";

/** Whether the longer tests run, too: `npm run test:full`. */
export const full = process.env.CAUSEWAY_TEST_FULL !== undefined;
export const inFull = test.runIf(full);

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command of this machine and waits for its end. */
export function execute(
  argv: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const [file = "", ...args] = argv;
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 255, stdout, stderr }));
  });
}

const bips = ["192.168.100.1/24", "192.168.200.1/24", "192.168.210.1/24", "192.168.220.1/24"];

/** `CAUSEWAY_TEST_SHIFT=1` … `9`: labs of other names and addresses, for two checkouts that are tested at once. */
const shift = Number(process.env.CAUSEWAY_TEST_SHIFT ?? 0);

/** What the hosts of a scheme's test are made of: it is run once for each image in `test:full` (vitest.config.ts). */
export const imageOr = (usual: ImageName) => (process.env.CAUSEWAY_TEST_IMAGE ?? usual) as ImageName;
const usualImage = imageOr("bullseye");

/** The longer tests of what needs a Docker before 23, as overlay's cluster store does. */
export const inFullOnOldDocker = test.runIf(full && usualImage === "bullseye");

/** A lab of a test file's own: fresh before its tests, gone after them. A lab that cannot start is a failure. */
export class TestLab {
  readonly spec: LabSpec;
  /** The first three parts of its hosts' addresses. */
  readonly net: string;
  #folder: string | undefined;

  constructor(name: string, third: number, hosts: number, image = usualImage, cgroup?: 2) {
    this.net = `10.${214 + shift}.${third}`;
    this.spec = {
      name: shift === 0 ? name : `${name}-${shift}`,
      subnet: `${this.net}.0/24`,
      image,
      ...(cgroup ? { cgroup } : {}),
      hosts: Array.from({ length: hosts }, (_, i) => ({
        name: `docker-${200 + i}`,
        address: `${this.net}.${200 + i}`,
      })),
    };
  }

  /** Made when it is first asked for: a file whose tests are all skipped leaves none. */
  get folder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), "causeway-lab-"));
    return this.#folder;
  }

  get names(): string[] {
    return this.spec.hosts.map((h) => h.name);
  }

  /**
   * The inventory as a file; extra lines belong to all hosts' variables; `docker` is everybody's group, unless `groups` say who.
   * `hosts` and `groups` stand in it in the order in which they are given.
   */
  inventory(
    over: {
      hosts?: readonly string[];
      vars?: Record<string, unknown>;
      of?: Record<string, object>;
      groups?: Record<string, readonly string[]>;
    } = {},
  ): string {
    const hosts = (over.hosts ?? this.names)
      .flatMap((name) => this.spec.hosts.find((h) => h.name === name) ?? [])
      .map(
        (h) =>
          [
            h.name,
            {
              ansible_host: h.address,
              bip: bips[this.names.indexOf(h.name)],
              ...(over.of?.[h.name] ?? {}),
            },
          ] as const,
      );
    const group = (names: readonly string[]) => ({
      hosts: Object.fromEntries(names.flatMap((name) => hosts.filter(([own]) => own === name))),
      vars: { ansible_user: "root", ...over.vars },
    });
    const groups = { docker: hosts.map(([name]) => name), ...over.groups };
    const document = {
      lab: {
        name: this.spec.name,
        subnet: this.spec.subnet,
        image: this.spec.image,
        ...(this.spec.cgroup ? { cgroup: this.spec.cgroup } : {}),
        hosts: this.names.filter((name) => hosts.some(([own]) => own === name)),
      },
      all: {
        children: Object.fromEntries(Object.entries(groups).map(([name, names]) => [name, group(names)])),
      },
    };
    const file = join(this.folder, `inventory-${Math.random().toString(36).slice(2, 8)}.yaml`);
    writeFileSync(file, JSON.stringify(document, null, 2));
    return file;
  }

  /** A playbook of the test's own, in the lab's folder. */
  playbook(name: string, text: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** The same fleet as if its hosts were anybody's, and an ssh_config that knows their keys. */
  plainInventory(): { inventory: string; sshConfig: string } {
    const { privateKeyFile, knownHostsFile } = labConnection(this.spec);
    const { all } = JSON.parse(readFileSync(this.inventory(), "utf8")) as { all: object };
    const inventory = join(this.folder, "plain.yaml");
    writeFileSync(
      inventory,
      JSON.stringify({ all: { ...all, vars: { ansible_ssh_private_key_file: privateKeyFile } } }),
    );
    const sshConfig = join(this.folder, "ssh_config");
    writeFileSync(sshConfig, `Host *\n  UserKnownHostsFile ${knownHostsFile}\n  GlobalKnownHostsFile none\n`);
    return { inventory, sshConfig };
  }

  /** The command line, as a person runs it. */
  run(playbook: string, args: readonly string[] = [], inventory = this.inventory()): Promise<Result> {
    return execute([join(packageDir, "run"), fromHere(playbook), "-i", inventory, ...args], {
      cwd: this.folder,
    });
  }

  /** The same, with its events. */
  async events(
    playbook: string,
    args: readonly string[] = [],
    inventory?: string,
  ): Promise<{ code: number; stderr: string; events: RunEventLike[] }> {
    const { code, stdout, stderr } = await this.run(playbook, [...args, "--output", "json"], inventory);
    const events = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as RunEventLike);
    expect(events.flatMap(misfits)).toEqual([]);
    return { code, stderr, events };
  }

  /** A run that has to end well. */
  async fine(...given: Parameters<TestLab["events"]>): ReturnType<TestLab["events"]> {
    const run = await this.events(...given);
    if (run.code !== 0)
      throw new Error(JSON.stringify(run.events.filter((e) => e.error ?? e.matrix)) + run.stderr);
    return run;
  }

  /** Starts a run; `on` is told every event as it comes, with what sends a signal to the runner. */
  async follow(
    playbook: string,
    args: readonly string[],
    on: (event: RunEventLike, send: (signal: NodeJS.Signals) => void) => void | Promise<void>,
    inventory = this.inventory(),
  ): Promise<{ code: number | null; events: RunEventLike[]; stderr: string }> {
    const all = [fromHere(playbook), "-i", inventory, "--output", "json", ...args];
    const child = spawn(join(packageDir, "run"), all, {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const events: RunEventLike[] = [];
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as RunEventLike;
      events.push(event);
      await on(event, (signal) => void child.kill(signal));
    }
    return { code: await ended, events, stderr };
  }

  /** The script of a killed runner ends with its next word; until then it holds the lock. */
  async atRest(timeout: number): Promise<void> {
    const held = "cd /var/lib/causeway && [ -f lock ] && . ./lib-*.sh && cw_holder_alive lock";
    for (const host of this.names)
      await expect.poll(async () => (await this.on(host, held)).code, { timeout }).not.toBe(0);
  }

  /** A script on a host, as root, beside SSH. */
  async on(host: string, script: string): Promise<Result> {
    const { hosts } = await labStatus(this.spec);
    const pid = hosts.find((h) => h.name === host)?.pid;
    if (pid === undefined) throw new Error(`${host} is down`);
    const inside = ["-t", String(pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd=/"];
    return execute(["nsenter", ...inside, "/bin/sh", "-c", script], {
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    });
  }

  /** The same, where a failure is the test's. */
  async must(host: string, script: string): Promise<string> {
    const { code, stdout, stderr } = await this.on(host, script);
    if (code !== 0) throw new Error(`${host}: ${script}\ncode ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  reset(names?: readonly string[]): Promise<void> {
    return labReset(this.spec, names);
  }
}

function fromHere(playbook: string): string {
  return playbook.startsWith("playbooks/") ? join(packageDir, playbook) : playbook;
}

/** Events as a test looks at them. */
export interface RunEventLike {
  type: string;
  host?: string;
  task?: string;
  key?: string;
  state?: string;
  later?: string;
  what?: string;
  step?: { what: string; from: string | null; to: string | null };
  steps?: { what: string; from: string | null; to: string | null }[];
  matrix?: {
    title?: string;
    cells: {
      from: string;
      to: string;
      ok: boolean;
      sourcePreserved?: boolean;
      cause?: string;
      evidence?: { ok: boolean; seen: string };
    }[];
  };
  hosts?: Record<string, { ok: number; changed: number; failed: number; steps: number; restarts: number }>;
  error?: { code: string; message: string; [key: string]: unknown };
  [key: string]: unknown;
}

/** Brings a lab up for a test file, whatever an earlier, broken run left of it. */
export function useLab(
  name: string,
  third: number,
  hosts: number,
  image?: LabSpec["image"],
  cgroup?: 2,
): TestLab {
  const lab = new TestLab(name, third, hosts, image, cgroup);
  beforeAll(async () => {
    await labDown(lab.spec, "ignore");
    await labUp(lab.spec);
  });
  afterAll(async () => {
    await labDown(lab.spec, "ignore");
    rmSync(lab.folder, { recursive: true, force: true });
  });
  return lab;
}

/** The recap of a run: host → counts. */
export function recapOf(events: readonly RunEventLike[]): NonNullable<RunEventLike["hosts"]> {
  return events.find((e) => e.type === "recap")?.hosts ?? {};
}

/** A run that ended well and found nothing to do: no step, no restart. */
export const idle = (names: readonly string[]) => ({
  code: 0,
  steps: [],
  recap: Object.fromEntries(
    names.map((name) => [name, expect.objectContaining({ changed: 0, steps: 0, restarts: 0, failed: 0 })]),
  ),
});

/** What a run did, to compare with that. */
export function doneBy({ code, events }: { code: number; events: readonly RunEventLike[] }) {
  return { code, steps: stepsOf(events), recap: recapOf(events) };
}

/** The hosts of each batch, in order. */
export const batchesOf = (events: readonly RunEventLike[], state = "started"): string[][] =>
  events.flatMap((e) => (e.type === "batch" && e.state === state ? [e.hosts as unknown as string[]] : []));

/** The words of no task: warnings, and what a person should know. */
export const messagesOf = (events: readonly RunEventLike[]): string[] =>
  events.flatMap((e) => (e.type === "message" ? [String(e.text)] : []));

/** What was performed, or would be, as `host what → to`, in order on each host. */
export function stepsOf(events: readonly RunEventLike[], check = false): string[] {
  const words = (host: string | undefined, s: { what: string; to: string | null }) =>
    `${host} ${s.what} → ${s.to}`;
  return events
    .flatMap((e) => {
      if (check && e.type === "task" && e.state === "planned")
        return (e.steps ?? []).map((s) => words(e.host, s));
      if (!check && e.type === "step" && e.state === "done" && e.step) return [words(e.host, e.step)];
      return [];
    })
    .sort();
}

export function cellsOf(events: readonly RunEventLike[]) {
  return events.findLast((e) => e.type === "probe" && e.matrix)?.matrix?.cells ?? [];
}
