import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { clocksApart } from "../../playbooks/checks/clocks.ts";
import { offLinkPeers } from "../../playbooks/checks/facts.ts";
import {
  beforeFirstLease,
  type FlannelVars,
  mixedFlannelds,
  partialReconfiguration,
  sharedChange,
} from "../../playbooks/checks/flannel.ts";
import { storeRunsFact, withoutQuorum } from "../../playbooks/checks/store.ts";
import { packageDir } from "../../src/package-dir.ts";
import { Fleet } from "../../src/playbook/fleet.ts";
import { leaseOf } from "../../tasks/flanneld-config/lease.ts";
import { fileWith } from "./files.ts";
import { address, bare, lease, web } from "./flannel-host.ts";

const vars: FlannelVars = {
  flannel_network: "192.168.0.0/16",
  flannel_subnet_len: 24,
  flannel_backend: "vxlan",
  flannel_prefix: "/atomic.io/network",
};

/** A host that runs flannel, its container on docker0 included. */
function running(
  n: number,
  over: { mtu?: number; version?: string; containers?: boolean; docker0?: string; stands?: boolean } = {},
) {
  const { mtu = 1450, version = "0.13.0", containers = false, docker0 = "192.168.81.1/24" } = over;
  const { stands = true } = over;
  return {
    addresses: [address("eth0", `10.0.0.20${n}/24`), address("docker0", docker0)],
    flannel: {
      lease: stands ? leaseOf(fileWith("", lease(mtu))) : undefined,
      prefix: "/atomic.io/network",
      links: bare().links,
      daemon: { ...bare().daemon, containers: containers ? [web] : [] },
      version,
    },
  };
}

function fleet<F>(facts: readonly F[], reached = facts.length, over: Partial<FlannelVars> = {}) {
  const hosts = facts.map((f, n) => ({
    name: `docker-20${n}`,
    address: `10.0.0.20${n}`,
    groups: ["docker"],
    vars: { ...vars, ...over },
    facts: f,
  }));
  return new Fleet(hosts, () => new Set(hosts.slice(0, reached).map(({ name }) => name)));
}

const found = (errors: readonly { detail: { found?: string } }[]) => errors.map(({ detail }) => detail.found);

describe("clocks", () => {
  const clocks = (...offsets: number[]) =>
    fleet(offsets.map((by) => ({ clock: { least: by - 0.4, most: by + 2 } })));

  test("a minute apart is let through, also with answers that took their time", () =>
    expect(clocksApart(clocks(0, 60, -1))).toEqual([]));
  test("an hour is not, whoever is right", () =>
    expect(found(clocksApart(clocks(0, 3600, 0)))).toEqual([
      "against this machine's clock: docker-200 +1 s, docker-201 +3601 s, docker-202 +1 s",
    ]));
  test("this machine's own clock does not matter", () =>
    expect(clocksApart(clocks(86_400, 86_401))).toEqual([]));
});

describe("next hops", () => {
  const on = (name: string, cidr: string, groups: readonly string[]) => ({
    name,
    address: cidr.replace(/\/.*/, ""),
    groups,
    vars,
    facts: { addresses: [address("eth0", cidr)] },
  });
  const errors = (...hosts: ReturnType<typeof on>[]) =>
    offLinkPeers(new Fleet(hosts, () => new Set(hosts.map(({ name }) => name))) as never).map(
      ({ message }) => message,
    );
  const [a, b] = [on("a", "10.0.0.1/24", ["docker"]), on("b", "10.0.0.2/24", ["docker"])];

  test("lie on one link", () => expect(errors(a, b)).toEqual([]));
  test("behind a router are refused, in either direction", () =>
    expect(errors(a, on("c", "10.0.1.3/24", ["docker"]))).toEqual([
      "c (10.0.1.3) is not on a link of a",
      "a (10.0.0.1) is not on a link of c",
    ]));
  test("are no hosts that only keep the store", () =>
    expect(errors(a, b, on("c", "10.0.1.3/24", ["etcd"]))).toEqual([]));
});

describe("a re-config", () => {
  test("of all hosts in one run", () =>
    expect(partialReconfiguration(fleet([running(0), running(1)], 2, { flannel_backend: "udp" }))).toEqual(
      [],
    ));
  test("of some of them is refused, and a host that joins is none", () => {
    expect(
      found(partialReconfiguration(fleet([running(0), running(1)], 1, { flannel_backend: "host-gw" }))),
    ).toEqual(["flannel_backend vxlan → host-gw; not in this run, or unreachable: docker-201"]);
    expect(partialReconfiguration(fleet([running(0), running(1)], 1))).toEqual([]);
  });
  test("a flanneld with etcd's other API is one, too", () => {
    const hosts = [running(0, { version: "0.20.2" }), running(1, { version: "0.20.2" })];
    const standIn = { flannel_binary: join(packageDir, "src/lab/flanneld-stand-in.sh") };
    expect(found(partialReconfiguration(fleet(hosts, 1, standIn)))).toEqual([
      "flanneld 0.20.2 stores its leases through etcd's API v3, and 0.13.0 through v2; not in this run, or unreachable: docker-201",
    ]);
    expect(partialReconfiguration(fleet([running(0), running(1)], 1, standIn))).toEqual([]);
  });
  test.each<[Partial<FlannelVars>, string | undefined]>([
    [{}, undefined],
    [{ flannel_backend: "host-gw" }, "flannel_backend vxlan → host-gw"],
    [{ flannel_network: "10.1.0.0/16" }, "flannel_network 192.168.0.0/16 → 10.1.0.0/16"],
    [
      { flannel_subnet_len: 25, flannel_prefix: "/other" },
      "flannel_subnet_len 24 → 25, flannel_prefix /atomic.io/network → /other",
    ],
    [
      { flannel_url: "https://example.org/v0.20.2/flannel-v0.20.2-linux-amd64.tar.gz" },
      "flanneld 0.13.0 stores its leases through etcd's API v2, and 0.20.2 through v3",
    ],
    [{ flannel_url: "https://example.org/flannel-v0.14.0-linux-amd64.tar.gz" }, undefined],
    [{ flannel_package: "flannel" }, undefined],
  ])("that cannot be done host by host: %o", (over, change) =>
    expect(sharedChange(fleet([running(0), running(1)], 2, over))).toBe(change),
  );
  test("of a host's own can be: another MTU of its link is no other backend", () => {
    expect(sharedChange(fleet([running(0, { mtu: 8950 }), running(1)]))).toBe(undefined);
    expect(beforeFirstLease(fleet([running(0, { stands: false }), running(1)]))).toBe(undefined);
    expect(beforeFirstLease(fleet([running(0, { stands: false })]))).toBe("no host has a lease yet");
  });
  test("a quorum is kept where most members run", () => {
    const members = [0, 1, 2].map((n) => ({ name: `docker-20${n}` }));
    const quorum = (...storeRuns: boolean[]) =>
      withoutQuorum(fleet(storeRuns.map((runs) => ({ storeRuns: runs }))), members);
    expect(quorum(true, true, false)).toBe(undefined);
    expect(quorum(true, false, false)).toBe("its members wait for each other");
    // A host that is no member does not count.
    expect(quorum(true, false, false, true)).toBe("its members wait for each other");
  });
  test.each<[string, string, boolean]>([
    ["active", "flannel", true],
    ["activating", "flannel", false],
    ["active", "overlay", false],
  ])("a store that is %s, and was set up by %s", async (active, owner, runs) => {
    const host = { unit: async () => ({ active }) };
    const known = { vars: {}, standing: Promise.resolve([{ owner }]) };
    const fact = storeRunsFact(() => "etcd.service", "flannel");
    expect(await fact.read(host as never, known as never)).toBe(runs);
  });
});

describe("flanneld's sources", () => {
  test("two that use different APIs of etcd", () => {
    expect(found(mixedFlannelds(fleet([running(0), running(1, { version: "0.20.2" })])))).toEqual([
      "docker-200: 0.13.0, etcd's API v2; docker-201: 0.20.2, etcd's API v3",
    ]);
    expect(mixedFlannelds(fleet([running(0, { version: "0.7.1" }), running(1)]))).toEqual([]);
    const one = { flannel_binary: "./flanneld" };
    expect(mixedFlannelds(fleet([running(0), running(1, { version: "0.20.2" })], 2, one))).toEqual([]);
  });
});
