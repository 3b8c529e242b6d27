import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dockersOfUsers, dockersOnNftables, rootlessDockers } from "../../playbooks/checks/docker.ts";
import { dockersWithoutDirectRouting } from "../../playbooks/checks/facts.ts";
import { schemes } from "../../playbooks/schemes/index.ts";
import { parseDocker } from "../../src/host/tools/docker.ts";
import { type DockerInfo, parseDockerInfo } from "../../src/host/tools/docker-info.ts";
import { packageDir } from "../../src/package-dir.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

/** What a real host said, with other settings: test/host/captured/capture.sh. */
function captured(image: string, settings: string, what = "docker info"): string {
  const text = readFileSync(join(packageDir, "test/host/captured", `${image}.txt`), "utf8");
  return text.split(`== ${what}${settings}\n`)[1]?.split("\n== code ")[0] ?? "";
}

describe.each([
  ["bullseye", ""],
  ["trixie", ""],
  ["docker28", "iptables"],
])("docker info of %s", (image, firewall) => {
  test.each([
    ["", ["seccomp"]],
    [" with live-restore", ["seccomp"]],
    [" with userns-remap", ["seccomp", "userns"]],
    [" with ipv6", ["seccomp"]],
  ])("as it is%s", (settings, security) => {
    const info = parseDockerInfo(captured(image, settings));
    expect(info).toEqual({ runs: true, firewall, security, ofUsers: [] });
  });
});

const plain: DockerInfo = { runs: true, firewall: "", security: ["seccomp"], ofUsers: [] };
const stopped: DockerInfo = { ...plain, runs: false, security: [] };
const socket = "/run/user/1000/docker.sock";

test.each<[string, DockerInfo, { nftables?: true; rootless?: true; beside?: true }]>([
  ["a Docker that says no backend", plain, {}],
  ["iptables", { ...plain, firewall: "iptables" }, {}],
  ["iptables under firewalld", { ...plain, firewall: "iptables+firewalld" }, {}],
  [
    "nftables (Docker 29; its answer as documented, not run)",
    { ...plain, firewall: "nftables" },
    { nftables: true },
  ],
  ["nftables under firewalld", { ...plain, firewall: "nftables+firewalld" }, { nftables: true }],
  [
    "a Docker that does not run, and will have nftables",
    { ...stopped, firewall: "nftables" },
    { nftables: true },
  ],
  ["userns-remap", { ...plain, security: ["seccomp", "userns"] }, {}],
  ["one that is rootless", { ...plain, security: ["seccomp", "rootless"] }, { rootless: true }],
  ["none but a user's", { ...stopped, ofUsers: [socket] }, { rootless: true }],
  ["a user's beside the system's", { ...plain, ofUsers: [socket] }, { beside: true }],
  ["none that runs", stopped, {}],
])("%s", (_, info, { nftables, rootless, beside }) => {
  const host = (name: string, groups: string[]) => ({
    name,
    address: "10.0.0.1",
    groups,
    vars: {},
    facts: { dockerInfo: info },
  });
  const hosts = [host("h1", ["docker"]), host("store", ["etcd"])];
  const fleet = new Fleet(hosts, () => new Set(["h1", "store"]));
  expect(dockersOnNftables(fleet)).toHaveLength(nftables ? 1 : 0);
  expect(rootlessDockers(fleet)).toHaveLength(rootless ? 1 : 0);
  expect(dockersOfUsers(fleet)).toHaveLength(beside ? 1 : 0);
});

const playbookOf = (name: string) => readFileSync(join(packageDir, `playbooks/${name}.ts`), "utf8");

test.each(schemes.map(({ name }) => name))("%s judges what Docker says of itself", (name) => {
  for (const judged of ["rootlessDockers", "dockersOfUsers"])
    expect(playbookOf(name)).toContain(`...${judged}(fleet)`);
});

test.each([
  // A container is reached by its own address, through DOCKER-USER where Docker has that.
  ["dockersOnNftables(fleet", ["flannel", "static-route", "swarm", "wireguard"]],
  ["dockersWithoutDirectRouting(fleet", ["flannel", "static-route", "wireguard"]],
])("%s) is judged by those that rest on it", (judged, expected) => {
  const judging = schemes.map(({ name }) => name).filter((name) => playbookOf(name).includes(`...${judged}`));
  expect(judging.sort()).toEqual(expected);
});

test("Docker 28's answer, where it had another backend: a Docker 29 that was asked for nftables", () => {
  const said = captured("docker28", "").replace('"Driver":"iptables"', '"Driver":"nftables"');
  const info = parseDockerInfo(said);
  const host = { name: "h1", address: "10.0.0.1", groups: ["docker"], vars: {}, facts: { dockerInfo: info } };
  expect(dockersOnNftables(new Fleet([host], () => new Set(["h1"])))).toMatchObject([
    {
      message: "Docker on h1 keeps its firewall in nftables, without DOCKER-USER",
      detail: { found: "firewall backend nftables" },
    },
  ]);
});

/** What Docker 28.5 answered, under another version. */
const versionSaid = (version: string) =>
  parseDocker(captured("docker28", "", "docker api").replaceAll("28.5.2+dfsg4", version)).version;

test.each([
  ["20.10.5+dfsg1", false],
  ["27.5.1", false],
  ["28.0.0", true],
  ["28.0.4", true],
  ["28.1.1", true],
  ["28.1.1-rc.1", true],
  ["28.2.0", false],
  ["28.5.2+dfsg4", false],
  ["29.0.0", false],
])("Docker %s: direct traffic to containers is dropped, and no key is against it: %s", (version, refused) => {
  const host = (name: string, groups: string[]) => ({
    name,
    address: "10.0.0.1",
    groups,
    vars: {},
    facts: { docker: versionSaid(version) } as never,
  });
  const fleet = new Fleet([host("h1", ["docker"]), host("store", ["etcd"])], () => new Set(["h1", "store"]));
  expect(dockersWithoutDirectRouting(fleet).map(({ message }) => message)).toEqual(
    refused ? [`Docker ${version} drops direct traffic to containers`] : [],
  );
});
