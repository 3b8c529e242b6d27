import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type DockerState, parseDocker } from "../../src/host/tools/docker.ts";
import { parseAddresses, parseLinks, parseRoutes } from "../../src/host/tools/ip.ts";
import { parseCounters, parseRules, rulesIn } from "../../src/host/tools/iptables.ts";
import { parseUnit } from "../../src/host/tools/systemd.ts";
import { packageDir } from "../../src/package-dir.ts";

/** A file of captured/, which capture.sh made on a lab host of that image: what each program said. */
function captured(image: string): (name: string) => string {
  const text = readFileSync(join(packageDir, "test/host/captured", `${image}.txt`), "utf8");
  const parts = text.matchAll(/^== (?!code)(.*)\n([\s\S]*?)\n== code \d+$/gm);
  const said = new Map([...parts].map(([, name = "", what = ""]) => [name, what]));
  return (name) => {
    const what = said.get(name);
    if (what === undefined) throw new Error(`${image} was not asked for ${name}`);
    return what;
  };
}

const generations = [
  { image: "bullseye", docker: "20.10.5+dfsg1", rawDrops: [] as string[], user: ["-j RETURN"] },
  { image: "trixie", docker: "26.1.5+dfsg1", rawDrops: [] as string[], user: ["-j RETURN"] },
  {
    image: "docker28",
    docker: "28.5.2+dfsg4",
    rawDrops: ["-d 172.20.0.7/32 ! -i br-user -j DROP", "-d 172.17.0.2/32 ! -i docker0 -j DROP"],
    user: [],
  },
];

describe.each(generations)("as $image says it", ({ image, docker, rawDrops, user }) => {
  const said = captured(image);

  test.each([
    ["docker", { present: true, active: "active", sub: "running", enabled: "enabled" }],
    ["on", { present: true, active: "active", sub: "exited", enabled: "enabled", execStart: "/bin/true" }],
    ["off", { present: true, active: "inactive", enabled: "disabled" }],
    ["broken", { present: true, active: "failed", enabled: "disabled" }],
    ["masked", { present: true, active: "inactive", enabled: "masked" }],
    ["missing", { present: false, active: "inactive", enabled: "", mainPid: 0, execStart: "" }],
  ])("systemctl show %s", (name, expected) => {
    expect(parseUnit(name, said(`systemctl show ${name}`))).toMatchObject({ name, ...expected });
  });

  test("systemctl show: where a unit is from, and what was put beside it", () => {
    const on = parseUnit("on", said("systemctl show on"));
    expect([on.fragmentPath, ...on.dropIns]).toEqual([
      "/etc/systemd/system/on.service",
      "/etc/systemd/system/on.service.d/10-a.conf",
    ]);
    const unit = parseUnit("docker", said("systemctl show docker"));
    expect(unit.execStart).toMatch(/^\/usr\/s?bin\/dockerd -H fd:\/\//);
    expect(unit.mainPid).toBeGreaterThan(1);
  });

  test("ip route, and ip route get", () => {
    const routes = new Map(parseRoutes(said("ip route")).map((route) => [route.dst, route]));
    expect(routes.get("192.168.77.0/24")).toMatchObject({ proto: "202", dev: "host0" });
    expect(routes.get("172.21.0.0/24")?.line).not.toContain("linkdown");
    expect([...routes.keys()]).toEqual(expect.arrayContaining(["default", "192.168.78.0/24"]));
    expect(parseRoutes(said("ip route get"))).toMatchObject([{ dst: "192.168.77.1", dev: "host0" }]);
  });

  test("ip link", () => {
    const links = new Map(parseLinks(said("ip link")).map((link) => [link.name, link]));
    const kinds = ["host0", "docker0", "br-user", "vx9", "mv9", "tun9"].map((n) => links.get(n)?.kind);
    expect(kinds).toEqual(["veth", "bridge", "bridge", "vxlan", "macvlan", "tun"]);
    expect(links.get("mv9")?.parent).toBe("host0");
    expect(links.get("vx9")?.mtu).toBe(1450);
    expect([...links.values()].filter(({ master }) => master === "br-user")).toHaveLength(1);
  });

  test("ip addr", () => {
    const addresses = parseAddresses(said("ip addr")).map(({ dev, cidr }) => `${dev} ${cidr}`);
    expect(addresses).toEqual(
      expect.arrayContaining(["docker0 172.17.0.1/16", "br-user 172.20.0.1/24", "lo 127.0.0.1/8"]),
    );
  });

  test("iptables-save, and its counters", () => {
    const rules = parseRules(said("iptables-save"));
    expect(rules.policies.get("filter FORWARD")).toBe("DROP");
    expect(rules.policies.get("filter DOCKER-USER")).toBe("-");
    expect(rulesIn(rules, "filter", "FORWARD")[0]?.spec).toBe("-j DOCKER-USER");
    expect(rulesIn(rules, "filter", "DOCKER-USER").map(({ spec }) => spec)).toEqual(user);
    expect(rulesIn(rules, "raw", "PREROUTING").map(({ spec }) => spec)).toEqual(rawDrops);
    const masquerading = rulesIn(rules, "nat", "POSTROUTING").map(({ spec }) => spec);
    expect(masquerading).toContain("-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE");
    const counters = parseCounters(said("iptables-save -c"));
    expect(counters.filter(({ spec }) => spec.startsWith("policy ")).length).toBeGreaterThan(2);
    expect(
      counters
        .filter(({ table }) => table === "raw")
        .slice(2)
        .map(({ spec }) => spec),
    ).toEqual(rawDrops);
  });

  const networks = [
    { name: "bridge", driver: "bridge", scope: "local", bridge: "docker0", subnets: ["172.17.0.0/16"] },
    { name: "host", driver: "host", scope: "local", subnets: [] },
    { name: "none", driver: "null", scope: "local", subnets: [] },
    { name: "plain", driver: "bridge", bridge: expect.stringMatching(/^br-[0-9a-f]{12}$/) },
    { name: "user", driver: "bridge", bridge: "br-user", subnets: ["172.20.0.0/24"] },
  ];
  const containers = [
    { name: "asleep", state: "created", networks: ["plain"] },
    { name: "direct", state: "running", networks: ["bridge"] },
    { name: "web", state: "running", networks: ["user"] },
  ];
  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
  const sorted = (state: DockerState) => ({
    ...state,
    networks: state.networks.toSorted(byName),
    containers: state.containers.toSorted(byName),
  });

  test.each(["docker api", "docker command"])("%s", (way) => {
    const state = sorted(parseDocker(said(way)));
    expect(state).toMatchObject({ state: "running", version: docker, networks, containers });
  });

  test("a bridge with IPv6 has both subnets", () => {
    const state = sorted(parseDocker(said("docker api with ipv6")));
    expect(state.networks[0]?.subnets).toEqual(["172.17.0.0/16", "fd00:30:1::/64"]);
    expect(parseAddresses(said("ip addr with ipv6")).map(({ cidr }) => cidr)).toContain("172.17.0.1/16");
  });
});

/** `sh` with the functions of the kind unit, and a systemctl that says what a host said of a unit; what it is told is printed. */
function withSystemctl(words: { enabled: string; active: string }, script: string): string {
  const library = readFileSync(join(packageDir, "src/kinds/unit/unit.sh"), "utf8");
  const fake = `systemctl() {
  case $1 in
    is-enabled) printf '%s' "$ENABLED" ;;
    is-active) printf '%s' "$ACTIVE" ;;
    show) echo loaded ;;
    *) echo "systemctl $*" ;;
  esac
}
${library}
B=$(mktemp -d)/step
${script}
rm -r "\${B%/step}"`;
  const env = { PATH: process.env.PATH ?? "", ENABLED: words.enabled, ACTIVE: words.active };
  return execFileSync("sh", ["-c", fake], { env, encoding: "utf8" });
}

describe.each(generations)("a unit's state on $image", ({ image }) => {
  const said = captured(image);
  const words = (name: string) => ({
    enabled: said(`systemctl is-enabled ${name}`),
    active: said(`systemctl is-active ${name}`),
  });

  test.each([
    ["on", "enabled active\n"],
    ["off", "disabled inactive\n"],
    ["broken", "disabled failed\n"],
    ["masked", "masked inactive\n"],
    ["missing", " inactive\n"],
  ])("%s", (name, token) => {
    expect(withSystemctl(words(name), "cw_unit_token x.service")).toBe(token);
  });

  test("one that was not there, and was enabled since, is disabled by the undo: no link is left", () => {
    const before = withSystemctl(words("missing"), "cw_unit_token x.service");
    const undo = `printf '%s' '${before}' >$B.before; cw_unit_restore x.service`;
    expect(withSystemctl(words("on"), undo)).toMatch(/^systemctl disable -q x\.service$/m);
  });
});
