import { CausewayError } from "../../src/errors.ts";
import type { HostRecap, RunEvent } from "../../src/run/events.ts";
import type { ShownStep } from "../../src/task/shown-step.ts";
import { recapOf } from "./events.ts";

/** `web001`, `web002`, …: as wide as the last. */
export const webs = (n: number) =>
  Array.from({ length: n }, (_, i) => `web${String(i + 1).padStart(String(n).length, "0")}`);

const play = "Route to every peer";

export const began = (hosts: readonly string[], check = false): RunEvent => ({
  at: 0,
  type: "run",
  id: "R1",
  playbook: "static-route",
  summary: "Routes between hosts",
  check,
  hosts,
});

export const playOn = (hosts: readonly string[], title = play): RunEvent => ({
  at: 1000,
  type: "play",
  title,
  index: 0,
  count: 1,
  hosts,
});

/** A task that performs a step on a host, as a run says it. */
export function changed(
  host: string,
  what: string,
  to: string,
  { task = "static-route", key = "peers", ms = 12 } = {},
): RunEvent[] {
  const step: ShownStep = { kind: "route", what, from: null, to };
  const about = { host, task } as const;
  return [
    { at: 1100, type: "task", play, key, ...about, state: "performing", steps: [step] },
    { at: 1110, type: "step", ...about, step, state: "started" },
    { at: 1120, type: "step", ...about, step, state: "done", ms },
    { at: 1200, type: "task", play, key, ...about, state: "changed" },
  ];
}

export function planned(host: string, what: string, to: string): RunEvent {
  const steps: ShownStep[] = [{ kind: "route", what, from: null, to }];
  return {
    at: 1100,
    type: "task",
    host,
    play,
    task: "static-route",
    key: "peers",
    state: "planned",
    steps,
  };
}

export const restarted = (host: string, ms: number, state: "planned" | "done" = "done"): RunEvent => ({
  at: 1300,
  type: "consequence",
  host,
  what: "restart docker",
  why: ["keys of /etc/docker/daemon.json"],
  state,
  ...(state === "done" ? { ms } : {}),
});

export const failed = (host: string, output = "Pool overlaps with other one"): RunEvent => ({
  at: 1400,
  type: "failed",
  host,
  error: new CausewayError("host", "restart docker failed", { host, task: "docker-bip docker0", output }),
});

export const unreachable = (host: string, address: string): RunEvent => ({
  at: 10,
  type: "unreachable",
  host,
  error: new CausewayError("unreachable", "the host cannot be reached: no answer", {
    host,
    found: `${address}:22: timed out`,
    advice: `try by hand: ssh root@${address}`,
  }),
});

export const ended = (
  hosts: readonly string[],
  out: (host: string) => Partial<HostRecap> = () => ({}),
  over: { check?: boolean; exitCode?: number } = {},
): RunEvent => ({
  at: 9000,
  type: "recap",
  hosts: Object.fromEntries(hosts.map((host) => [host, recapOf({ ok: 1, ...out(host) })])),
  check: false,
  interrupted: false,
  exitCode: 0,
  ms: 9000,
  ...over,
});
