import { join } from "node:path";
import { expect, test } from "vitest";
import flannel from "../../playbooks/flannel.ts";
import macvlan from "../../playbooks/macvlan.ts";
import overlay from "../../playbooks/overlay.ts";
import staticRoute from "../../playbooks/static-route.ts";
import swarm from "../../playbooks/swarm.ts";
import { type CausewayError, CausewayErrors, describeError } from "../../src/errors.ts";
import { parseExtraVars } from "../../src/inventory/extra-vars.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { prepare } from "../../src/run/prepare.ts";
import { folderWith } from "../inventory/files.ts";

/** A line a host, so that a place says whose value it is: a is on line 4, b on line 5, c on line 6. */
interface Given {
  a?: string;
  b?: string;
  c?: string;
  /** In group_vars/docker.yaml. */
  group?: string;
  /** `-e`. */
  extra?: string;
  /** Another group's hosts, of those three. */
  groups?: Readonly<Record<string, readonly string[]>>;
}

const plain = {
  a: "ansible_host: 10.0.0.1, bip: 192.168.1.1/24",
  b: "ansible_host: 10.0.0.2, bip: 192.168.2.1/24",
};

async function faults(playbook: unknown, { group, extra, groups = {}, ...hosts }: Given) {
  const lines = Object.entries({ ...plain, ...hosts }).map(([name, vars]) => `        ${name}: { ${vars} }`);
  const others = Object.entries(groups).map(
    ([name, members]) => `    ${name}: { hosts: { ${members.map((m) => `${m}: null`).join(", ")} } }`,
  );
  const text = ["all: { children: {", "    docker: {", "      hosts: {", lines.join(",\n")].join("\n");
  const folder = folderWith({
    "hosts.yaml": `${text} } }${others.length > 0 ? `,\n${others.join(",\n")}` : ""} } }\n`,
    ...(group === undefined ? {} : { "group_vars/docker.yaml": `${group}\n` }),
  });
  const extraVars = parseExtraVars(extra === undefined ? [] : [extra]);
  const inventory = await loadInventory([join(folder, "hosts.yaml")], extraVars);
  try {
    prepare({ playbook: playbook as Playbook, inventory, extraVars });
    return [];
  } catch (error) {
    const all = error instanceof CausewayErrors ? error.errors : [error as CausewayError];
    return all.map((one) => ({ code: one.code, text: describeError(one).replaceAll(`${folder}/`, "") }));
  }
}

const store = (name: string, ...members: string[]) => ({ groups: { [name]: members } });

// What the message says, and the values that take part with their places, in order.
test.each<[string, unknown, Given, string, string[]]>([
  [
    "a bip that overlaps another",
    staticRoute,
    { b: "ansible_host: 10.0.0.2, bip: 192.168.1.129/25" },
    "the container subnets of a and b overlap",
    ["b: bip 192.168.1.129/25 (hosts.yaml:5:43)", "a: bip 192.168.1.1/24 (hosts.yaml:4:43)"],
  ],
  [
    "one bip for several hosts",
    staticRoute,
    { a: "ansible_host: 10.0.0.1", b: "ansible_host: 10.0.0.2", group: "bip: 192.168.1.1/24" },
    "one bip is given to 2 hosts",
    [
      "a: bip 192.168.1.1/24 (group_vars/docker.yaml:1:6)",
      "b: bip 192.168.1.1/24 (group_vars/docker.yaml:1:6)",
    ],
  ],
  [
    "a bip over another host's address",
    staticRoute,
    { b: "ansible_host: 192.168.1.77, bip: 192.168.2.1/24" },
    "the container subnet of a contains the management address of b",
    ["a: bip 192.168.1.1/24 (hosts.yaml:4:43)", "b: address 192.168.1.77 (hosts.yaml:5:28)"],
  ],
  [
    "a container_network without a bip in it, by -e",
    staticRoute,
    { extra: "container_network=192.168.1.0/24" },
    "the container_network of b does not contain the subnet of b",
    ["b: container_network 192.168.1.0/24 (-e:1:1)", "b: bip 192.168.2.1/24 (hosts.yaml:5:43)"],
  ],
  [
    "a bip in the loopback network",
    staticRoute,
    { b: "ansible_host: 10.0.0.2, bip: 127.1.0.1/16" },
    "bip is not a network for containers",
    ["b: bip 127.1.0.1/16 (hosts.yaml:5:43)"],
  ],
  [
    "a pool of a swarm in the loopback network",
    swarm,
    { group: "swarm_pool: 127.0.0.0/8" },
    "swarm_pool is not a network for containers",
    ["a: swarm_pool 127.0.0.0/8 (group_vars/docker.yaml:1:13)"],
  ],
  ...[flannel, overlay, swarm].map((playbook): [string, unknown, Given, string, string[]] => [
    `${playbook.name}: IPv6 that it does not build`,
    playbook,
    { b: "ansible_host: 10.0.0.2, fixed_cidr_v6: 'fd00:30:200::/64'" },
    `fixed_cidr_v6 asks for IPv6, and ${playbook.name} would build IPv4 alone`,
    ["b: fixed_cidr_v6 fd00:30:200::/64 (hosts.yaml:5:53)"],
  ]),
  [
    "macvlan: IPv6 that it does not build by this variable",
    macvlan,
    { extra: "fixed_cidr_v6=fd00:1::/64" },
    "fixed_cidr_v6 asks for IPv6, and macvlan would build IPv4 alone",
    ["a: fixed_cidr_v6 fd00:1::/64 (-e:1:1)"],
  ],
  [
    "a subnet of IPv6 for macvlan that is link-local",
    macvlan,
    { extra: "macvlan_subnet6=fe80:1::/64" },
    "macvlan_subnet6 is not a network for containers",
    ["a: macvlan_subnet6 fe80:1::/64 (-e:1:1)"],
  ],
  [
    "an IPv6 subnet for a swarm's network",
    swarm,
    { extra: "swarm_subnet6=fd00:1::/64" },
    "swarm_subnet6 asks for IPv6, and swarm would build IPv4 alone",
    ["a: swarm_subnet6 fd00:1::/64 (-e:1:1)"],
  ],
  ...[staticRoute, flannel, overlay].flatMap((playbook): [string, unknown, Given, string, string[]][] => [
    [
      `${playbook.name}: a host without an IPv4 address`,
      playbook,
      { b: "bip: 192.168.2.1/24" },
      "the address of b is not an IPv4 address",
      ["b: address b (hosts.yaml:5:9)"],
    ],
    [
      `${playbook.name}: two hosts of one address`,
      playbook,
      { b: "ansible_host: 10.0.0.1, ansible_port: 2222, bip: 192.168.2.1/24" },
      "a and b have one address: 10.0.0.1",
      ["b: address 10.0.0.1 (hosts.yaml:5:28)", "a: address 10.0.0.1 (hosts.yaml:4:28)"],
    ],
  ]),
  [
    "a flannel_network for one host",
    flannel,
    { extra: "flannel_network=192.168.200.0/23" },
    "flannel_network has too few subnets for the hosts",
    ["a: flannel_network 192.168.200.0/23 (-e:1:1)", "a: flannel_subnet_len 24 (the playbook's default)"],
  ],
  [
    "a subnet longer than its network",
    flannel,
    { group: "flannel_subnet_len: 15" },
    "flannel_network has too few subnets for the hosts",
    [
      "a: flannel_network 192.168.0.0/16 (the playbook's default)",
      "a: flannel_subnet_len 15 (group_vars/docker.yaml:1:21)",
    ],
  ],
  [
    "a flannel_network over an etcd host",
    flannel,
    { b: "ansible_host: 192.168.7.7", ...store("etcd", "b") },
    "flannel_network contains the address of b",
    [
      "a: flannel_network 192.168.0.0/16 (the playbook's default)",
      "b: address 192.168.7.7 (hosts.yaml:5:28)",
    ],
  ],
  [
    "two sources of flanneld",
    flannel,
    { group: "flannel_package: flannel", extra: "flannel_binary=/f" },
    "two sources are given for flanneld",
    ["a: flannel_binary /f (-e:1:1)", "a: flannel_package flannel (group_vars/docker.yaml:1:18)"],
  ],
  [
    "half an archive",
    flannel,
    { extra: "flannel_url=https://example.org/f.tar.gz" },
    "flannel_url is given without flannel_sha256",
    ["a: flannel_url https://example.org/f.tar.gz (-e:1:1)", "a: flannel_sha256 (not set)"],
  ],
  [
    "an overlay_subnet over a host",
    overlay,
    { extra: "overlay_subnet=10.0.0.0/24" },
    "overlay_subnet contains the address of b",
    ["a: overlay_subnet 10.0.0.0/24 (-e:1:1)", "b: address 10.0.0.2 (hosts.yaml:5:28)"],
  ],
  [
    "an overlay_subnet for one host",
    overlay,
    { extra: "overlay_subnet=172.31.0.0/30" },
    "overlay_subnet is too small for a container on every host",
    ["a: overlay_subnet 172.31.0.0/30 (-e:1:1)"],
  ],
  [
    "tls without its files",
    overlay,
    { a: "ansible_host: 10.0.0.1, docker_api: tls, docker_tls_ca: /ca" },
    "docker_api: tls needs three files",
    [
      "a: docker_api tls (hosts.yaml:4:50)",
      "a: docker_tls_ca /ca (hosts.yaml:4:70)",
      "a: docker_tls_cert (not set)",
      "a: docker_tls_key (not set)",
    ],
  ],
  [
    "a macvlan subnet too small for the hosts",
    macvlan,
    { group: "macvlan_subnet: 172.16.10.0/30" },
    "the range is too small",
    ["a: macvlan_subnet 172.16.10.0/30 (group_vars/docker.yaml:1:17)"],
  ],
  [
    "a macvlan range in which all is reserved",
    macvlan,
    {
      a: "ansible_host: 10.0.0.1, macvlan_range: 172.16.10.0/30, macvlan_aux: { x: 172.16.10.2 }",
      b: "ansible_host: 10.0.0.2, macvlan_range: 172.16.10.128/25",
    },
    "no address is left for a container",
    [
      "a: macvlan_range 172.16.10.0/30 (hosts.yaml:4:53)",
      'a: macvlan_aux {"x":"172.16.10.2"} (hosts.yaml:4:82)',
    ],
  ],
  [
    "two reserved addresses that are one",
    macvlan,
    { extra: '{"macvlan_aux": {"x": "172.16.10.9", "y": "172.16.10.9"}}' },
    "macvlan_aux x and macvlan_aux y have one address",
    [
      'a: macvlan_aux {"x":"172.16.10.9","y":"172.16.10.9"} (-e:1:17)',
      'a: macvlan_aux {"x":"172.16.10.9","y":"172.16.10.9"} (-e:1:17)',
    ],
  ],
  [
    "macvlan ranges that overlap",
    macvlan,
    { b: "ansible_host: 10.0.0.2, macvlan_range: 172.16.10.0/25" },
    "the ranges of a and b overlap",
    [
      "b: macvlan_range 172.16.10.0/25 (hosts.yaml:5:53)",
      "a: macvlan_subnet 172.16.10.0/24 (the playbook's default)",
    ],
  ],
  [
    "two gateways",
    macvlan,
    { b: "ansible_host: 10.0.0.2, macvlan_gateway: 172.16.10.7" },
    "a and b are set to different networks",
    ["b: macvlan_gateway 172.16.10.7 (hosts.yaml:5:55)", "a: macvlan_gateway (not set)"],
  ],
  [
    "a shim over a host",
    macvlan,
    { group: "macvlan_shim: true\nmacvlan_subnet: 10.0.0.0/24" },
    "the shim of a would take over the route to a",
    ["a: macvlan_subnet 10.0.0.0/24 (group_vars/docker.yaml:2:17)", "a: address 10.0.0.1 (hosts.yaml:4:28)"],
  ],
])("%s: every value with its place, before any connection", async (_, playbook, given, message, places) => {
  const found = await faults(playbook, given);
  const fault = found.find(({ text }) => text.includes(message));
  expect(fault, JSON.stringify(found, null, 1)).toBeDefined();
  expect(["variables", "inventory"]).toContain(fault?.code);
  const lines = [...(fault?.text ?? "").matchAll(/^ {2}(?:found {5}|\s{10})(\w: .*)$/gm)].map(
    ([, line]) => line,
  );
  expect(lines).toEqual(places);
  const [first] = places.flatMap((line) => /\((\S+:\d+:\d+)\)$/.exec(line)?.[1] ?? []);
  if (first !== undefined) expect(fault?.text).toMatch(new RegExp(`^${first}\\b`));
});

test.each([staticRoute, flannel, macvlan, overlay])(
  "what is right is let through: $name",
  async (playbook) => {
    expect(await faults(playbook, {})).toEqual([]);
    expect(await faults(playbook, { c: "ansible_host: 10.0.0.3, bip: 192.168.3.1/24" })).toEqual([]);
  },
);

test("of two hundred hosts with one bip each is told once, with the first that it meets", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 200 }, (_, n) => [`n${n}`, `ansible_host: 10.0.1.${n + 1}, bip: 192.168.9.1/24`]),
  );
  const found = await faults(staticRoute, many as Given);
  expect(found).toHaveLength(199);
});

test("flanneld gives the first of its subnets to nobody", async () => {
  const three = { c: "ansible_host: 10.0.0.3" };
  expect(await faults(flannel, { ...three, extra: "flannel_network=172.30.0.0/22" })).toEqual([]);
  const four = { ...three, d: "ansible_host: 10.0.0.4" } as Given;
  expect(await faults(flannel, { ...four, extra: "flannel_network=172.30.0.0/22" })).toHaveLength(1);
  expect(await faults(flannel, { ...four, extra: "flannel_network=172.30.0.0/21" })).toEqual([]);
});
