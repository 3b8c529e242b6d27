import { CausewayError } from "../../src/errors.ts";
import type { HostRecap, RunEvent } from "../../src/run/events.ts";
import type { ShownStep } from "../../src/task/shown-step.ts";

/** A step as a run hands it over: the whole of it, its script with its secret included. */
export const keysStep = {
  kind: "json",
  what: "keys of /etc/docker/daemon.json",
  from: null,
  to: '"bip": "192.168.100.1/24"',
  diff: { path: "/etc/docker/daemon.json", before: "{\n}\n", after: '{\n  "bip": "192.168.100.1/24"\n}\n' },
  resource: ["json", "/etc/docker/daemon.json"],
  perform: { text: "echo hunter2", secrets: ["hunter2"] },
} as ShownStep;

export const recapOf = (over: Partial<HostRecap> = {}): HostRecap => ({
  ok: 4,
  changed: 0,
  failed: 0,
  unreachable: false,
  steps: 0,
  restarts: 0,
  owed: [],
  ...over,
});

export const failure = new CausewayError("host", "restart docker failed", {
  at: { file: "site.yaml", line: 3, column: 7 },
  host: "docker-201",
  task: "docker-bip docker0",
  found: "docker.service is failed",
  expected: "a daemon that runs",
  advice: "correct the variables",
  command: "systemctl restart docker",
  output: "Pool overlaps\nwith other one",
  cause: new Error("inner"),
});

const bip = { play: "Addresses", task: "docker-bip", key: "docker0" };

/** A run over two hosts: one is changed, the other fails at its restart. */
export const applied: readonly RunEvent[] = [
  {
    at: 0,
    type: "run",
    id: "R1",
    playbook: "static-route",
    summary: "Routes between hosts",
    check: false,
    hosts: ["docker-200", "docker-201"],
  },
  { at: 1, type: "message", level: "warning", text: "the clock is off", host: "docker-201" },
  { at: 2, type: "connecting", host: "docker-200" },
  { at: 90, type: "connected", host: "docker-200", ms: 88 },
  {
    at: 95,
    type: "command",
    host: "docker-200",
    command: "cat /etc/docker/daemon.json",
    code: 0,
    ms: 12,
  },
  {
    at: 100,
    type: "play",
    title: "Addresses",
    index: 0,
    count: 1,
    hosts: ["docker-200", "docker-201"],
  },
  { at: 101, type: "task", host: "docker-200", ...bip, task: "ip-forward", key: "", state: "ok" },
  { at: 102, type: "task", host: "docker-200", ...bip, state: "performing", steps: [keysStep] },
  { at: 103, type: "step", host: "docker-200", task: "docker-bip", step: keysStep, state: "started" },
  { at: 104, type: "step", host: "docker-200", task: "docker-bip", step: keysStep, state: "done", ms: 1 },
  {
    at: 105,
    type: "consequence",
    host: "docker-200",
    what: "restart docker",
    why: ["keys"],
    state: "started",
  },
  {
    at: 3300,
    type: "consequence",
    host: "docker-200",
    what: "restart docker",
    why: ["keys"],
    state: "done",
    ms: 3195,
  },
  { at: 3301, type: "task", host: "docker-200", ...bip, state: "waiting", reason: "docker0 is down" },
  { at: 4000, type: "task", host: "docker-200", ...bip, state: "waiting", reason: "docker0 is down" },
  { at: 8400, type: "task", host: "docker-200", ...bip, state: "waiting", reason: "docker0 has no address" },
  { at: 8500, type: "task", host: "docker-200", ...bip, state: "changed" },
  { at: 8600, type: "failed", host: "docker-201", error: failure },
  { at: 8700, type: "disconnected", host: "docker-200", roundTrips: 4, commands: 31 },
  {
    at: 9000,
    type: "recap",
    hosts: {
      "docker-200": recapOf({ changed: 2, restarts: 1, steps: 2 }),
      "docker-201": recapOf({ ok: 1, failed: 1, owed: ["restart docker"] }),
    },
    check: false,
    interrupted: false,
    exitCode: 2,
    ms: 9000,
  },
];

export const checked: readonly RunEvent[] = [
  {
    at: 102,
    type: "task",
    host: "docker-200",
    ...bip,
    state: "planned",
    steps: [
      keysStep,
      { kind: "run", what: "old store", from: "there", to: null, irreversible: "it is gone" },
    ],
    later: "the rest needs docker0",
  },
  {
    at: 103,
    type: "consequence",
    host: "docker-200",
    what: "restart docker",
    why: ["keys", "store"],
    state: "planned",
  },
];
