import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { inFull, useLab } from "./support.ts";

const lab = useLab("test-nets", 23, 2);
const host = "docker-200";
const flannel = { flannel_binary: join(packageDir, "src/lab/flanneld-stand-in.sh") };
const inventory = (vars: Record<string, unknown> = {}, of: Record<string, object> = {}) =>
  lab.inventory({ vars: { ...flannel, ...vars }, of });

const snapshots = () => Promise.all(lab.names.map((name) => snapshot(lab, name)));
const changes = async (before: readonly string[][]) =>
  (await snapshots()).flatMap((now, i) => differences(before[i] ?? [], now));

/** A run and a check that both refuse, and leave every host as it is; gives what was said. */
async function refused(scheme: string, file = inventory()): Promise<string> {
  const before = await snapshots();
  const check = await lab.run(`playbooks/${scheme}.ts`, ["--check"], file);
  const { code, stderr, stdout } = await lab.run(`playbooks/${scheme}.ts`, [], file);
  expect({ check: check.code, code, said: stdout.match(/^PLAY .*/gm) ?? [] }, stdout + stderr).toEqual({
    check: 2,
    code: 2,
    said: [],
  });
  // Only a run is tried again.
  expect(check.stderr.trim()).toBe(stderr.replace(/^to try these hosts again: .*\n/m, "").trim());
  expect(await changes(before)).toEqual([]);
  return stderr;
}

/** What the error says to do, by its first line. */
const adviceOf = (said: string, message: string) =>
  said
    .split("\n\n")
    .find((error) => error.includes(message))
    ?.match(/^ {2}do {8}(.*)/m)?.[1] ?? "";

// Docker's second start shows a gateway of its default network that its first one did not.
beforeAll(() => Promise.all(lab.names.map((name) => lab.must(name, "systemctl restart docker"))));

describe.sequential("networks that somebody uses", () => {
  afterEach(async () => {
    await lab.must(
      host,
      `docker ps -aq | xargs -r docker rm -f
docker network ls -q --filter type=custom | xargs -r docker network rm
ip link del virbr0; ip route flush proto bird; true`,
    );
  });

  test("a Docker network in a peer's subnet: refused before the first step, and the advice works", async () => {
    await lab.must(
      host,
      "docker network create --subnet 192.168.200.0/24 shop_default && docker run -d --name db --restart=always --network shop_default busybox sleep 100000",
    );
    const said = await refused("static-route");
    expect(said).toContain(
      `${host}: the container subnet of docker-201 overlaps the Docker network shop_default`,
    );
    expect(said).toMatch(/inventory-\w+\.yaml:\d+:\d+ docker-200: /);
    const [, bip] = /such as (\S+);/.exec(adviceOf(said, "overlaps the Docker network")) ?? [];
    const { code } = await lab.run(
      "playbooks/static-route.ts",
      ["--check", "-e", "interrupt_containers=true"],
      inventory({}, { "docker-201": { bip } }),
    );
    expect(code).toBe(0);
  });

  inFull("Docker's own pools, which reach the host's own subnet", async () => {
    await lab.must(host, "for i in $(seq 24); do docker network create net$i >/dev/null; done");
    await lab.must(
      host,
      "for i in $(seq 12); do docker run -d --network net$i busybox sleep 100000 >/dev/null; done",
    );
    const [, name] = (await lab.must(host, "ip -o -4 route get 192.168.100.9")).match(/dev (\S+)/) ?? [];
    expect(await refused("static-route")).toContain(
      `interface ${name}): 192.168.96.0/20; the container subnet of ${host}`,
    );
    expect(await refused("flannel")).toContain("flannel's network overlaps the Docker network net");
  });

  inFull(
    "a network that is not up, libvirt's bridge and a routing daemon's route, in every scheme",
    async () => {
      await lab.must(
        host,
        `ip link add virbr0 type bridge && ip addr add 10.0.2.1/25 dev virbr0 && ip link set virbr0 up
docker network create -d macvlan -o parent=virbr0 --subnet 172.16.10.0/25 lan
ip route add 192.168.77.0/24 via ${lab.net}.1 proto bird`,
      );
      expect(await refused("macvlan")).toContain("the macvlan network overlaps the Docker network lan");
      expect(await refused("overlay")).toContain("the overlay network overlaps the interface virbr0");
      const said = await refused("flannel");
      expect(said).toContain("flannel's network overlaps the route to 192.168.77.0/24 (proto bird)");
      await lab.must(host, adviceOf(said, "proto bird").replace(/.*: (ip route del .*), and.*/, "$1"));
      expect((await lab.run("playbooks/flannel.ts", ["--check"], inventory())).code).toBe(0);
    },
  );
});

describe.sequential("a switch that could not end", () => {
  beforeAll(async () => {
    expect((await lab.run("playbooks/macvlan.ts", ["--no-verify"], inventory())).code).toBe(0);
  });

  test("a container on docker0 of one host is refused in the check, and before macvlan is undone anywhere", async () => {
    await lab.must("docker-201", "docker run -d --name d0 busybox sleep 100000");
    expect(await refused("static-route")).toMatch(/^docker-201: this run restarts or stops Docker/m);
    expect(await refused("flannel")).toMatch(/^docker-201: this run restarts or stops Docker/m);
    await lab.must("docker-201", "docker rm -f d0");
  });

  inFull(
    "somebody's consul, a program that is not there, and a file of the old scheme that somebody changed",
    async () => {
      await lab.must(
        "docker-201",
        `cp /bin/sleep /usr/local/bin/consul
printf '[Service]\\nExecStart=/usr/local/bin/consul 100000\\n' >/etc/systemd/system/consul.service
systemctl daemon-reload && systemctl start consul`,
      );
      expect(await refused("overlay")).toContain(
        "a consul that causeway did not configure runs on this host",
      );
      await lab.must(
        "docker-201",
        "systemctl stop consul; rm /usr/local/bin/consul /etc/systemd/system/consul.service; systemctl daemon-reload",
      );
      const { code, stderr } = await lab.run(
        "playbooks/flannel.ts",
        [],
        lab.inventory({ vars: { flannel_binary: "/nowhere/flanneld" } }),
      );
      expect({ code, stderr }).toMatchObject({
        code: 6,
        stderr: expect.stringContaining("/nowhere/flanneld"),
      });
      expect(await lab.must("docker-201", "docker network inspect -f '{{.Driver}}' macvlan_1")).toBe(
        "macvlan\n",
      );
    },
  );

  inFull(
    "what the undo lifts does not stop a switch: bip in daemon.json, --bip of flannel's drop-in",
    async () => {
      for (const scheme of ["static-route", "flannel", "static-route"]) {
        const check = await lab.run(`playbooks/${scheme}.ts`, ["--check"], inventory());
        expect(check.code, check.stdout + check.stderr).toBe(0);
        const { code, stdout, stderr } = await lab.run(
          `playbooks/${scheme}.ts`,
          ["--no-verify"],
          inventory(),
        );
        expect(code, stdout + stderr).toBe(0);
      }
      const edited = "sed -i 's/192.168.200.1/192.168.222.1/' /etc/docker/daemon.json";
      await lab.must("docker-201", edited);
      expect(await refused("macvlan")).toContain("daemon.json was changed by somebody since");
      await lab.must("docker-201", "sed -i 's/192.168.222.1/192.168.200.1/' /etc/docker/daemon.json");
    },
  );

  test("and all is undone in the end", async () => {
    const { code, stderr } = await lab.run("playbooks/reset.ts", [], inventory());
    expect(code, stderr).toBe(0);
  });
});

describe.sequential("drop-ins of somebody's", () => {
  const folder = "/etc/systemd/system/docker.service.d";
  const command = "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --log-level=warn";
  const running = () => lab.must(host, "tr '\\0' ' ' </proc/$(cat /run/docker.pid)/cmdline");

  test("an override.conf behind ours is refused by its name, and the advice works", async () => {
    await lab.must(
      host,
      `mkdir -p ${folder} && printf '[Service]\\nExecStart=\\nExecStart=${command}\\n' >${folder}/override.conf
systemctl daemon-reload && systemctl restart docker`,
    );
    const said = await refused("flannel");
    expect(said).toMatch(/^docker-200 \[flanneld-config flanneld\]: override\.conf would overrule/m);
    await lab.must(host, adviceOf(said, "override.conf").replace(/.*: (mv .*)/, "$1"));
    const { code, stdout, stderr } = await lab.run("playbooks/flannel.ts", ["--no-verify"], inventory());
    expect(code, stdout + stderr).toBe(0);
    expect(await running()).toMatch(new RegExp(`^${command} +--bip=`));
  });

  inFull("a reset takes it as it is", async () => {
    expect((await lab.run("playbooks/reset.ts", [], inventory())).code).toBe(0);
    expect(await running()).toBe(`${command} `);
  });

  inFull("in overlay, for flanneld, etcd and consul, and a unit that is masked", async () => {
    expect((await lab.run("playbooks/reset.ts", [], inventory())).code).toBe(0);
    await lab.must(host, `mv ${folder}/00-override.conf ${folder}/override.conf; systemctl daemon-reload`);
    expect(await refused("overlay")).toContain("override.conf would overrule");
    await lab.must(host, `rm ${folder}/override.conf; rmdir ${folder}; systemctl daemon-reload`);
    for (const [unit, scheme] of [
      ["flanneld", "flannel"],
      ["etcd", "flannel"],
      ["consul", "overlay"],
    ]) {
      const drops = `/etc/systemd/system/${unit}.service.d`;
      await lab.must(
        host,
        `mkdir ${drops} && printf '[Service]\\nExecStart=\\nExecStart=/bin/false --x\\n' >${drops}/zz.conf`,
      );
      expect(await refused(scheme ?? "")).toContain(
        `zz.conf would overrule what causeway sets for ${unit}.service`,
      );
      await lab.must(host, `rm -r ${drops}; systemctl daemon-reload`);
    }
    await lab.must(host, "systemctl mask docker.service");
    for (const scheme of ["static-route", "flannel", "overlay"])
      expect(adviceOf(await refused(scheme), "is masked")).toBe("systemctl unmask docker.service");
    await lab.must(host, "systemctl unmask docker.service");
  });
});
