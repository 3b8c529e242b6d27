import { CausewayError } from "../../src/errors.ts";
import type { RunEvent, ToldPair } from "../../src/run/events.ts";
import type { Matrix, MatrixCell } from "../../src/task/matrix.ts";
import { recapOf } from "./events.ts";
import { webs } from "./fleet.ts";

export const wicked = `<script>document.title = "taken"</script><img src=x onerror="document.title='taken'">`;

const hostText = (i: number) => `192.168.${i % 250}.0/24`;

/** Pairs of hosts: all of few, each host with its neighbours of many. Some take longer, one fails where `failing` says so. */
export function matrixOf(hosts: readonly string[], failing?: string): Matrix {
  const all = hosts.length <= 40;
  const cells = hosts.flatMap((from, i) =>
    hosts.flatMap((to, j): MatrixCell[] => {
      if (from === to || !(all || Math.abs(i - j) % 67 === 1)) return [];
      const bad = from === failing || to === failing;
      const rttMs = 0.2 + ((i * 7 + j * 13) % 23) ** 2 / 200;
      const cause = { cause: `missing route: ${wicked}`, command: "ip route get 192.168.100.2" };
      const seen = { sourceSeen: `192.168.${i % 250}.2`, sourcePreserved: true, largestPacket: 1500 };
      const about = { from, to, ok: !bad, expected: "reachable" } as const;
      return [bad ? { ...about, lossPercent: 100, ...cause } : { ...about, lossPercent: 0, rttMs, ...seen }];
    }),
  );
  const sample = all ? {} : { sampleOf: hosts.length * (hosts.length - 1) };
  return { title: "containers on bridge", hosts, cells, notes: ["a note"], ...sample };
}

/** A run of a fleet in three batches with everything in it: a failure, a host that is not reached, gaps, and a host's wicked words. */
export function wholeRun(n: number, over: { failing?: boolean } = {}): readonly RunEvent[] {
  const hosts = webs(n);
  const failing = over.failing ? hosts[1] : undefined;
  const third = Math.ceil(n / 3);
  const [early, middle, late] = [
    hosts.slice(0, third),
    hosts.slice(third, 2 * third),
    hosts.slice(2 * third),
  ];
  const begin: RunEvent[] = [
    {
      at: 0,
      type: "run",
      id: "R1",
      playbook: "static-route",
      summary: "Every host owns a subnet",
      check: false,
      hosts,
    },
    ...hosts.map((host): RunEvent => ({ at: 1, type: "connecting", host })),
    ...hosts.map((host, i): RunEvent => ({ at: 90 + i, type: "connected", host, ms: 88 + i })),
    {
      at: 300,
      type: "topology",
      by: "routes",
      words: "a route of each host to each peer's subnet",
      hosts: hosts.map((name, i) => ({
        name,
        address: `10.0.${Math.floor(i / 250)}.${i % 250}`,
        subnet: hostText(i),
      })),
    },
    { at: 310, type: "message", level: "warning", host: hosts[0] ?? "", text: `the motd says ${wicked}` },
    { at: 400, type: "play", title: "Route to every peer", index: 0, count: 2, hosts },
    ...hosts.flatMap((host, i) => routes(host, 400 + i * 2, n)),
    { at: 2000, type: "play", title: "Give each docker0 its own subnet", index: 1, count: 2, hosts },
  ];
  const roll = [early, middle, late].flatMap((batch, index): RunEvent[] => {
    const at = 2100 + index * 8000;
    const play = "Give each docker0 its own subnet";
    return [
      { at, type: "batch", play, index, count: 3, hosts: batch, state: "started" },
      ...batch.flatMap((host, i) =>
        host === failing ? fails(host, at + i) : bip(host, at + i * 3, hosts.indexOf(host)),
      ),
      { at: at + 5000, type: "probe", name: "ping-check", stage: "gate", state: "started" },
      {
        at: at + 7000,
        type: "probe",
        name: "ping-check",
        stage: "gate",
        state: "passed",
        matrix: matrixOf(batch),
      },
    ];
  });
  const matrix = matrixOf(hosts, failing);
  const recap = (host: string, i: number) =>
    host === failing
      ? recapOf({ failed: 1, owed: ["restart docker"] })
      : recapOf({ changed: 2, steps: 2 + (i % 2), restarts: 1 });
  return [
    ...begin,
    ...roll,
    { at: 27_000, type: "probe", name: "ping-check", state: "started" },
    { at: 29_500, type: "probe", name: "ping-check", state: failing ? "failed" : "passed", matrix },
    {
      at: 29_600,
      type: "watched",
      name: "ping-check",
      title: "containers on bridge",
      everyMs: 200,
      pairs: hosts.map((from, i) => watchedPair(from, hosts[(i + 1) % n] ?? "", i)),
      maxGapMs: 2000,
      over: [`${hosts[0]} → ${hosts[1]}`],
      notes: [],
    },
    {
      at: 30_000,
      type: "recap",
      hosts: Object.fromEntries(hosts.map((host, i) => [host, recap(host, i)])),
      check: false,
      interrupted: false,
      exitCode: failing ? 2 : 0,
      ms: 30_000,
    },
  ];
}

function routes(host: string, at: number, n: number): RunEvent[] {
  const step = { kind: "routes", what: "routes peers", from: null, to: `${n - 1} routes` };
  const about = { host, play: "Route to every peer", task: "static-route", key: "peers" } as const;
  return [
    { at, type: "task", ...about, state: "performing", steps: [step] },
    { at: at + 1, type: "step", host, task: about.task, step, state: "started" },
    { at: at + 700, type: "step", host, task: about.task, step, state: "done", ms: 699 },
    { at: at + 710, type: "task", ...about, state: "changed" },
  ];
}

const docker0 = { play: "Give each docker0 its own subnet", task: "docker-bip", key: "docker0" } as const;

function bip(host: string, at: number, i: number): RunEvent[] {
  const after = `{\n  "bip": "192.168.${i % 250}.1/24"\n}\n`;
  const step = {
    kind: "json",
    what: "keys of /etc/docker/daemon.json",
    from: null,
    to: `bip "192.168.${i % 250}.1/24"`,
    diff: { path: "/etc/docker/daemon.json", before: "{\n}\n", after },
  };
  return [
    { at, type: "task", host, ...docker0, state: "performing", steps: [step] },
    { at: at + 10, type: "step", host, task: "docker-bip", step, state: "started" },
    { at: at + 300, type: "step", host, task: "docker-bip", step, state: "done", ms: 290 },
    { at: at + 310, type: "consequence", host, what: "restart docker", why: [step.what], state: "started" },
    {
      at: at + 2900,
      type: "consequence",
      host,
      what: "restart docker",
      why: [step.what],
      state: "done",
      ms: 2590,
    },
    { at: at + 2910, type: "task", host, ...docker0, state: "waiting", reason: "docker0 has no address" },
    { at: at + 3500, type: "task", host, ...docker0, state: "changed" },
  ];
}

function fails(host: string, at: number): RunEvent[] {
  const [first, begun, , restart] = bip(host, at, 0);
  const error = new CausewayError("host", "restart docker failed", {
    host,
    task: "docker-bip docker0",
    command: "systemctl restart docker",
    output: wicked,
  });
  const last: RunEvent[] = [
    {
      at: at + 2000,
      type: "consequence",
      host,
      what: "restart docker",
      why: ["keys"],
      state: "failed",
      ms: 1690,
    },
    { at: at + 2001, type: "task", host, ...docker0, state: "failed" },
    { at: at + 2002, type: "failed", host, error },
  ];
  return [...[first, begun, restart].flatMap((event) => event ?? []), ...last];
}

function watchedPair(from: string, to: string, i: number): ToldPair {
  const during = [{ host: to, what: "restart docker" }];
  const gap = { at: 2500 + (i % 3) * 8000, ms: 1500 + (i % 7) * 200, open: false, restarted: [to], during };
  const gaps = i % 2 === 0 ? [gap] : [];
  return { from, to, reached: true, sent: 140, lost: gaps.length * 9, longestMs: gaps[0]?.ms ?? 0, gaps };
}
