import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dockersOfUsers, dockersOnNftables, rootlessDockers } from "../../playbooks/checks/docker.ts";
import { schemes } from "../../playbooks/schemes/index.ts";
import { type DockerInfo, parseDockerInfo } from "../../src/host/tools/docker-info.ts";
import { packageDir } from "../../src/package-dir.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

/** What a real host said, with other settings: test/host/captured/capture.sh. */
function captured(image: string, settings: string): string {
  const text = readFileSync(join(packageDir, "test/host/captured", `${image}.txt`), "utf8");
  return text.split(`== docker info${settings}\n`)[1]?.split("\n== code ")[0] ?? "";
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

test.each(schemes.map(({ name }) => name))("%s judges what Docker says of itself", (name) => {
  const text = readFileSync(join(packageDir, `playbooks/${name}.ts`), "utf8");
  for (const judged of ["rootlessDockers", "dockersOfUsers"]) expect(text).toContain(`...${judged}(fleet)`);
  const needsDockerUser = text.includes("iptablesForward(");
  if (needsDockerUser) expect(text).toContain("...dockersOnNftables(fleet");
});
