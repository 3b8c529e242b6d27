import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { inFull, useLab } from "./support.ts";

const lab = useLab("test-owned", 57, 2);
const [host = "", other = ""] = lab.names;
const inventory = () =>
  lab.inventory({ vars: { flannel_binary: join(packageDir, "src/lab/flanneld-stand-in.sh") } });
const snapshots = () => Promise.all(lab.names.map((name) => snapshot(lab, name)));
const changes = async (before: readonly string[][]) =>
  (await snapshots()).flatMap((now, i) => differences(before[i] ?? [], now));

/** A run and a check that both refuse, and leave every host as it is; gives what was said. */
async function refused(scheme: string, args: readonly string[] = []): Promise<string> {
  const before = await snapshots();
  const file = inventory();
  const check = await lab.run(`playbooks/${scheme}.ts`, ["--check", ...args], file);
  const { code, stderr, stdout } = await lab.run(`playbooks/${scheme}.ts`, args, file);
  expect({ check: check.code, code, said: stdout.match(/^PLAY .*/gm) ?? [] }, stdout + stderr).toEqual({
    check: 2,
    code: 2,
    said: [],
  });
  expect(await changes(before)).toEqual([]);
  return stderr;
}

async function succeeds(playbook: string, args: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr } = await lab.run(`playbooks/${playbook}.ts`, args, inventory());
  expect(code, stdout + stderr).toBe(0);
  return stdout;
}

describe.sequential("a Docker that was stopped and disabled, without docker0", () => {
  const daemon =
    "for u in docker docker.socket; do systemctl is-enabled $u; systemctl is-active $u; done; ls /sys/class/net";
  const file = "/etc/docker/daemon.json";
  // As one that ran without a bridge: it leaves no rules of docker0 behind, which Docker's next start would clear.
  const withoutDocker0 = `echo '{ "bridge": "none" }' >${file}; systemctl reset-failed docker; systemctl restart docker; rm ${file}
systemctl disable -q --now docker docker.socket; ! ip link show docker0 2>/dev/null`;
  beforeAll(() => Promise.all(lab.names.map((name) => lab.must(name, withoutDocker0))));

  const isAsBefore = async (scheme: string) => {
    const before = await snapshots();
    await succeeds(scheme, ["--no-verify"]);
    expect((await lab.on(host, daemon)).stdout).toMatch(/^disabled\nactive\n[\s\S]*docker0/);
    expect(await succeeds("reset")).toContain("every host is as it should be");
    expect((await lab.on(host, daemon)).stdout).toMatch(
      /^disabled\ninactive\ndisabled\ninactive\n(?![\s\S]*docker0)/,
    );
    expect(await changes(before)).toEqual([]);
  };

  test("is so again after a reset of static-route, and Docker has forgotten the address", async () => {
    await isAsBefore("static-route");
    const shown = await lab.must(host, "systemctl start docker; ip -o -4 addr show docker0");
    await lab.must(host, withoutDocker0);
    expect(shown).toContain("172.17.0.1/16");
  });

  inFull.each([["flannel"], ["macvlan"], ["overlay"]])("after %s, too", isAsBefore);

  inFull(
    "a daemon.json of somebody's with which Docker does not start: named, and left as it is",
    async () => {
      const file = "/etc/docker/daemon.json";
      await lab.must(host, `printf '{ "no-such-key": 1 }\\n' >${file}`);
      const before = await snapshots();
      const { code, stdout } = await lab.run("playbooks/static-route.ts", ["--no-verify"], inventory());
      expect(code, stdout).toBe(2);
      expect(stdout).toContain("no-such-key");
      await succeeds("reset");
      expect(await changes(before)).toEqual([]);
      await lab.must(host, `rm ${file}`);
    },
  );
});

describe.sequential("an undo that did not bring back what was there", () => {
  test("is told, also by the next one, and nobody says that every host is as it should be", async () => {
    const book = lab.playbook(
      "lies.ts",
      `import { defineTask, definePlaybook, sh, step, Type } from "causeway";
const lies = defineTask({ name: "lies", summary: "lies", params: Type.Object({}), key: () => "lies",
  read: (host) => host.read(sh\`[ -e /run/lies ]\`),
  present: ({ code }) => code === 0 ? [] : [step.run({ what: "a file", to: "there",
    do: sh\`touch /run/lies\`, done: sh\`[ -e /run/lies ]\`, undo: sh\`echo removed\` })] });
export default definePlaybook({ name: "lies", summary: "lies", vars: Type.Object({}), plays: [
  { title: "one", hosts: "${other}", tasks: () => [lies({})] } ] });
`,
    );
    expect((await lab.run(book)).code).toBe(0);
    for (const _ of [1, 2]) {
      const { code, stdout, stderr } = await lab.run("playbooks/reset.ts");
      expect(code, stdout).toBe(2);
      expect(stdout).not.toContain("every host is as it should be");
      expect(stdout + stderr).toContain("a file was taken back, but is not as it was before causeway");
    }
    // As the advice says.
    await lab.must(other, "rm /run/lies");
    await succeeds("reset");
    expect((await lab.run(book)).code).toBe(0);
    await succeeds("reset", ["--force"]);
    await lab.must(other, "rm /run/lies");
  });
});

describe.sequential("what another program owns is refused by its name", () => {
  beforeAll(async () => {
    for (const name of lab.names)
      await lab.must(name, "systemctl enable -q docker docker.socket; systemctl start docker");
  });

  test("a flannel of k3s or Kubernetes: its interface and its lease", async () => {
    await lab.must(
      host,
      `ip link add flannel.1 type bridge && ip addr add 10.42.0.0/32 dev flannel.1 && ip link set flannel.1 up
mkdir -p /run/flannel && echo FLANNEL_NETWORK=10.42.0.0/16 >/run/flannel/subnet.env`,
    );
    const said = await refused("flannel");
    expect(said).toContain("a flannel that causeway did not set up is on this host");
    expect(said).toMatch(/the interface flannel\.1 \(.*, mtu 1500\), 10\.42\.0\.0\/32/);
    expect(said).toContain("/run/flannel/subnet.env: FLANNEL_NETWORK=10.42.0.0/16");
    await lab.must(host, "ip link del flannel.1; rm -f /run/flannel/subnet.env; rmdir /run/flannel");
  });

  inFull("an interface macvlan-shim, and a parent that is a port of a bridge", async () => {
    await succeeds("macvlan", ["--no-verify"]);
    await lab.must(
      host,
      "ip link add macvlan-shim type bridge && ip addr add 172.16.10.9/32 dev macvlan-shim",
    );
    expect(await refused("macvlan", ["-e", "macvlan_shim=true"])).toMatch(
      /causeway did not make the interface macvlan-shim[\s\S]*172\.16\.10\.9\/32/,
    );
    await lab.must(host, "ip link del macvlan-shim");
    await succeeds("reset");
    await lab.must(
      host,
      "ip link add br9 type bridge && ip link set br9 up && ip link add p9 type veth peer name q9 && ip link set p9 master br9 && ip link set p9 up && ip link set q9 up",
    );
    await lab.must(other, "ip link add p9 type bridge && ip link set p9 up");
    expect(await refused("macvlan", ["-e", "macvlan_parent=p9"])).toContain("p9 is a port of br9");
    await lab.must(host, "ip link del p9; ip link del br9");
    await lab.must(other, "ip link del p9");
  });

  inFull("a swarm, and programs on the ports of etcd and consul", async () => {
    await lab.must(
      host,
      `docker swarm init --advertise-addr ${lab.net}.200 >/dev/null
for _ in $(seq 50); do docker network inspect docker_gwbridge >/dev/null 2>&1 && break; sleep .2; done; sleep 1`,
    );
    expect(await refused("overlay")).toContain("this host is in a swarm, which a cluster store would end");
    await lab.must(host, "docker swarm leave --force; docker network rm docker_gwbridge");
    await lab.must(host, "mkdir -p /run/www; for p in 2379 8500; do busybox httpd -p $p -h /run/www; done");
    expect(await refused("flannel")).toMatch(
      /another program listens on etcd's ports\n.*:2379 users:\(\("busybox"/,
    );
    expect(await refused("overlay")).toMatch(
      /another program listens on consul's ports\n.*:8500 users:\(\("busybox"/,
    );
    await lab.must(
      host,
      "kill $(ss -Hltnp 'sport = :2379 or sport = :8500' | sed -n 's/.*pid=\\([0-9]*\\),.*/\\1/p')",
    );
  });
});
