import { describe, expect, test } from "vitest";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { dockerBip } from "../../tasks/docker-bip.ts";
import { fileWith, noFile } from "./files.ts";
import { planWords } from "./words.ts";

const path = "/etc/docker/daemon.json";
type State = Parameters<typeof dockerBip.definition.present>[0];

function state(
  over: Partial<State> & {
    docker0?: string;
    active?: string;
    version?: string;
    containers?: State["docker"]["containers"];
  } = {},
): State {
  const {
    docker0 = "172.17.0.1/16",
    active = "active",
    version = "20.10.5",
    containers = [],
    ...rest
  } = over;
  const [address = "", prefix = "16"] = docker0.split("/");
  return {
    rules: parseRules("*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER"),
    config: noFile(path),
    addresses: docker0 ? [{ dev: "docker0", cidr: docker0, address, prefix: Number(prefix) }] : [],
    docker: { state: "running", version, networks: [], containers },
    unit: {
      name: "docker.service",
      present: true,
      active,
      sub: "running",
      enabled: "enabled",
      needsReload: false,
      fragmentPath: "/lib/systemd/system/docker.service",
      dropIns: [],
      sets: [],
      mainPid: 1,
      execStart: "/usr/sbin/dockerd -H fd://",
      commandLine: "/usr/sbin/dockerd -H fd://",
    },
    ...rest,
  };
}

const wanted = { bip: "192.168.100.1/24", direct_routing: false };
const plan = (s: State, over: Partial<typeof wanted & { mtu: number }> = {}) =>
  planWords(dockerBip.definition.present(s, { ...wanted, ...over }));
const moves = "address of docker0: 172.17.0.1/16 → 192.168.100.1/24, with the restart ⇒ restart docker";
const live = fileWith(path, '{"live-restore": true}');
const liveRight = fileWith(path, '{"live-restore": true, "bip":"192.168.100.1/24"}');
const web = { id: "1", name: "web", state: "running", networks: ["bridge"] };

describe("an MTU", () => {
  const right = {
    docker0: "192.168.100.1/24",
    config: fileWith(path, '{"bip":"192.168.100.1/24","mtu":1420}'),
  };
  const restarts = "⇒ restart docker";
  test.each<[string, State, string[]]>([
    ["is nothing to do where Docker runs with it", state({ ...right, mtu: 1420 }), []],
    [
      "is one more key",
      state({ ...right, config: fileWith(path, '{"bip":"192.168.100.1/24"}'), mtu: 1500 }),
      [`keys of ${path}: bip "192.168.100.1/24", mtu — → bip "192.168.100.1/24", mtu 1420 ${restarts}`],
    ],
    [
      "in the file alone is owed",
      state({ ...right, mtu: 1500 }),
      ["owed: restart docker (containers get an MTU of 1500, not 1420)"],
    ],
    ["that was not asked of a stopped Docker is judged by the file", state(right), []],
  ])("%s", (_, now, expected) => expect(plan(now, { mtu: 1420 })).toEqual(expected));
});

describe("docker-bip plans", () => {
  test.each<[string, State, Partial<typeof wanted>, string[]]>([
    ["a bare host", state(), {}, [moves, `keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`]],
    [
      "what stops Docker again, and takes docker0 away, where neither was there",
      state({ active: "inactive", docker0: "" }),
      {},
      [
        "unit docker.service: enabled, inactive → active, with the restart ⇒ restart docker",
        "address of docker0: no docker0 → 192.168.100.1/24, with the restart",
        `keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`,
      ],
    ],
    [
      "the same for a Docker that only has to be started",
      state({
        active: "failed",
        config: fileWith(path, '{"bip":"192.168.100.1/24"}'),
        docker0: "192.168.100.1/24",
      }),
      {},
      ["unit docker.service: enabled, failed → active, with the restart ⇒ restart docker"],
    ],
    [
      "Docker's default for the undo, where somebody took docker0 away under a running Docker",
      state({ docker0: "" }),
      {},
      [
        "address of docker0: no address → 192.168.100.1/24, with the restart ⇒ restart docker",
        `keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`,
      ],
    ],
    [
      "a file with keys of its owner",
      state({ config: fileWith(path, '{"debug": true, "bip": "10.0.0.1/24"}') }),
      {},
      [moves, `keys of ${path}: bip "10.0.0.1/24" → bip "192.168.100.1/24" ⇒ restart docker`],
    ],
    [
      "nothing, when file and docker0 are right",
      state({ config: fileWith(path, '{"bip":"192.168.100.1/24"}'), docker0: "192.168.100.1/24" }),
      {},
      [],
    ],
    [
      "the restart that an interrupted run still owes",
      state({ config: fileWith(path, '{"bip":"192.168.100.1/24"}') }),
      {},
      ["owed: restart docker (docker0 has 172.17.0.1/16)"],
    ],
    [
      "the key alone, where docker0 has the address already",
      state({ docker0: "192.168.100.1/24" }),
      {},
      [`keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`],
    ],
    [
      "a docker0 that has lost its address",
      state({ config: fileWith(path, '{"bip":"192.168.100.1/24"}'), docker0: "" }),
      {},
      ["owed: restart docker (docker0 has no address)"],
    ],
    [
      "the same with live-restore, as long as no container with a network of its own runs",
      state({
        config: live,
        containers: [
          { ...web, state: "exited" },
          { ...web, networks: [] },
        ],
      }),
      {},
      [moves, `keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`],
    ],
    [
      "with live-restore nothing, where docker0 is right already",
      state({ config: liveRight, docker0: "192.168.100.1/24", containers: [web] }),
      {},
      [],
    ],
    [
      "direct routing, where Docker has that key",
      state({ version: "28.3.0" }),
      { direct_routing: true },
      [moves, `keys of ${path}: — → bip "192.168.100.1/24", allow-direct-routing true ⇒ restart docker`],
    ],
    [
      "direct routing that dockerd's command line has already",
      state({
        version: "28.3.0",
        unit: { ...state().unit, execStart: "/usr/sbin/dockerd --allow-direct-routing -H fd://" },
      }),
      { direct_routing: true },
      [moves, `keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`],
    ],
    [
      "no such key before 28.2",
      state({ version: "27.5.1" }),
      { direct_routing: true },
      [moves, `keys of ${path}: — → bip "192.168.100.1/24" ⇒ restart docker`],
    ],
  ])("%s", (_name, s, over, expected) => expect(plan(s, over)).toEqual(expected));
});

describe("docker-bip refuses", () => {
  test.each<[string, State, RegExp]>([
    [
      "a host without Docker",
      state({ docker: { state: "missing", version: "", networks: [], containers: [] } }),
      /not installed/,
    ],
    [
      "what live-restore keeps from taking effect, whatever network the containers are on",
      state({ config: live, containers: [{ ...web, networks: ["host"] }] }),
      /keeps its address while containers run, because of live-restore/,
    ],
    [
      "the same by its flag",
      state({ unit: { ...state().unit, commandLine: "dockerd --live-restore -H fd://" }, containers: [web] }),
      /keeps its address/,
    ],
    [
      "a flag in the unit",
      state({ unit: { ...state().unit, execStart: "/usr/bin/dockerd --bip 10.1.1.1/24" } }),
      /started with --bip/,
    ],
    [
      "a flag of the running daemon",
      state({ unit: { ...state().unit, commandLine: "dockerd --bip=10.1.1.1/24" } }),
      /started with --bip/,
    ],
    ["a file that is not JSON", state({ config: fileWith(path, '{\n  "debug": true,,\n}') }), /is not JSON/],
    ["a file that holds no object", state({ config: fileWith(path, "[1]") }), /no JSON object/],
  ])("%s", (_name, s, words) => expect(() => plan(s)).toThrow(words));

  test("with line and column", () => {
    const broken = state({ config: fileWith(path, '{\n  "debug": true,,\n}') });
    expect(() => plan(broken)).toThrow(
      expect.objectContaining({
        detail: expect.objectContaining({ at: { file: path, line: 2, column: 17 } }),
      }),
    );
  });

  test("a parameter that is none", () => {
    expect(() => dockerBip({ ...wanted, bip: "192.168.100.0/24" })).toThrow(/bip is not valid/);
    expect(() => dockerBip({ ...wanted, bib: 1 } as never)).toThrow(/bib is not known here/);
  });
});

test("the file keeps its owner's bytes: only the key changes in the file", () => {
  const before = '{\n    "registry-mirrors": [ "https://m" ],\n    "bip" : "10.0.0.1/24"\n}\n';
  const [, step] = dockerBip.definition.present(state({ config: fileWith(path, before) }), wanted);
  expect(step && "diff" in step && step.diff?.after).toBe(before.replace("10.0.0.1/24", "192.168.100.1/24"));
});

describe("a subnet of IPv6", () => {
  const six = { fixed_cidr_v6: "fd00:30:100::/64" };
  const own6 = { dev: "docker0", cidr: "fd00:30:100::1/64", address: "fd00:30:100::1", prefix: 64 };
  const keys6 = 'bip "192.168.100.1/24", ipv6 true, fixed-cidr-v6 "fd00:30:100::/64"';
  const right = (over: Partial<State> = {}) =>
    state({
      docker0: "192.168.100.1/24",
      config: fileWith(path, '{"bip":"192.168.100.1/24","ipv6":true,"fixed-cidr-v6":"fd00:30:100::/64"}'),
      addresses6: [own6],
      ...over,
    });
  const plan6 = (s: State) => planWords(dockerBip.definition.present(s, { ...wanted, ...six }));
  const moves6 = "IPv6 address of docker0: — → fd00:30:100::1/64, with the restart ⇒ restart docker";

  test.each<[string, State, string[]]>([
    ["is nothing to do where docker0 has it", right(), []],
    [
      "beside an address that docker0 has",
      right({ config: fileWith(path, '{"bip":"192.168.100.1/24"}'), addresses6: [] }),
      [
        moves6,
        `keys of ${path}: bip "192.168.100.1/24", ipv6 —, fixed-cidr-v6 — → ${keys6} ⇒ restart docker`,
      ],
    ],
    [
      "on a bare host",
      state({ addresses6: [] }),
      [moves6, moves, `keys of ${path}: — → ${keys6} ⇒ restart docker`],
    ],
    [
      "in the file alone is owed",
      right({ addresses6: [{ ...own6, dev: "eth0" }] }),
      ["owed: restart docker (docker0 has no address in fd00:30:100::/64)"],
    ],
  ])("%s", (_, now, steps) => expect(plan6(now)).toEqual(steps));

  test.each([
    [
      right({ config: fileWith(path, '{"bip":"192.168.100.1/24","bip6":"fd00:9::1/64"}') }),
      /^docker0 has an IPv6 address by the key "bip6"/,
    ],
    [
      right({ unit: { ...right().unit, execStart: "/usr/sbin/dockerd --fixed-cidr-v6 fd00:9::/64" } }),
      /^dockerd is started with --fixed-cidr-v6/,
    ],
  ])("%#: what keeps Docker from having it is refused", (now, message) => {
    expect(() => plan6(now)).toThrow(message);
  });

  test("flags of IPv6 are nobody's business where no subnet is asked for", () => {
    const unit = { ...right().unit, execStart: "/usr/sbin/dockerd --ipv6" };
    expect(
      plan(
        state({ docker0: "192.168.100.1/24", config: fileWith(path, '{"bip":"192.168.100.1/24"}'), unit }),
      ),
    ).toEqual([]);
  });
});
