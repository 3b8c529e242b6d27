import type { Connect } from "../../src/host/session.ts";
import { rawScript } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { definePlaybook } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { defaultRolling, type Rolling } from "../../src/run/options.ts";
import { run } from "../../src/run/run.ts";
import { defineTask } from "../../src/task/define.ts";
import { defineProbe, type ProbeRun } from "../../src/task/probe.ts";
import type { Step } from "../../src/task/step.ts";
import { connectTo, FakeHost, put } from "./fake-host.ts";

/** Sets a value on a host in memory; on some hosts the step fails. */
export const setting = (failing: readonly string[], name = "v") =>
  defineTask({
    name: "value",
    summary: "x",
    params: Type.Object({ host: Type.String() }),
    key: () => name,
    read: async (host) => (await host.read(rawScript(`cat ${name}`), { looksAt: [name] })).stdout,
    present: (now, { host }): readonly Step[] =>
      now === "1"
        ? []
        : [
            put(name, "1", {
              perform: rawScript(`${failing.includes(host) ? "fail" : "put"} ${name} 1`),
              touches: [name],
            }),
          ],
  });

export interface Given {
  hosts: number;
  done?: readonly number[];
  failing?: readonly string[];
  unreachable?: readonly string[];
  rolling?: Partial<Rolling>;
  play?: Partial<Playbook["plays"][number]>;
  /** What the playbook has beside its plays. */
  playbook?: Pick<Partial<Playbook>, "facts" | "preflight">;
  /** A play after it that wants the same. */
  next?: Partial<Playbook["plays"][number]>;
  limit?: string;
  left?: (hosts: readonly string[]) => void;
  check?: boolean;
  /** The pairs that do not work, by how many hosts are changed so far. */
  broken?: (among: ProbeRun["among"]) => readonly string[];
  stopAt?: (event: RunEvent) => boolean;
  /** Stands between the runner and the hosts. */
  connect?: (real: Connect) => Connect;
  confirmSeconds?: number;
}

/** Runs a playbook of one play, or two, over hosts in memory. */
export async function rollOn({ hosts: count, done = [], failing = [], unreachable = [], ...given }: Given) {
  const names = Array.from({ length: count }, (_, i) => `h${i + 1}`);
  const hosts = new Map(names.filter((n) => !unreachable.includes(n)).map((name) => [name, new FakeHost()]));
  for (const i of done) hosts.get(`h${i}`)?.values.set("v", "1");
  const value = setting(failing);
  const proved: (readonly string[] | undefined)[] = [];
  const probe = defineProbe({
    name: "probe",
    summary: "x",
    params: Type.Object({}),
    run: async (_, __, { among }) => {
      proved.push(among && [...among]);
      const bad = given.broken?.(among) ?? [];
      const cells = bad.map((pair) => {
        const [from = "", to = ""] = pair.split(" ");
        return { from, to, ok: false, expected: "reachable" as const, lossPercent: 100 };
      });
      return { title: "x", hosts: names, cells, notes: [] };
    },
  });
  const play = {
    title: "Roll",
    hosts: "all",
    tasks: (h: { name: string }) => [value({ host: h.name })],
    ...given.play,
  };
  const playbook = {
    ...definePlaybook({ name: "test", summary: "x", vars: Type.Object({}), plays: [] }),
    ...given.playbook,
    plays: [play, ...(given.next ? [{ ...play, title: "Then", ...given.next }] : [])],
    verify: () => [probe({})],
  } as unknown as Playbook;
  const events: RunEvent[] = [];
  const stop = new AbortController();
  const outcome = await run({
    playbook,
    inventory: await loadInventory([`${names.join(",")},`]),
    extraVars: new Map(),
    ...(given.limit === undefined ? {} : { limit: given.limit }),
    check: given.check ?? false,
    verify: true,
    forks: 64,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 1000 },
    connect: given.connect?.(connectTo(hosts)) ?? connectTo(hosts),
    ...(given.confirmSeconds === undefined ? {} : { confirmSeconds: given.confirmSeconds }),
    reporter: {
      event: (e) => {
        events.push(e);
        if (given.stopAt?.(e)) stop.abort();
      },
      close: async () => {},
    },
    interrupted: stop.signal,
    breakLock: false,
    verbose: false,
    rolling: { ...defaultRolling, ...given.rolling },
    ...(given.left ? { left: given.left } : {}),
  });
  const batches = events.filter((e) => e.type === "batch").map((e) => e.hosts.join("+"));
  const changed = names.filter((n) => hosts.get(n)?.performed.includes("put v 1"));
  const texts = events.filter((e) => e.type === "message").map((e) => e.text);
  return { outcome, batches, changed, proved, texts, events, hosts };
}
