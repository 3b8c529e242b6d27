import { beforeAll, describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, execute, full, idle, inFull, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-overlay", 8, 3);
const playbook = "playbooks/overlay.ts";
const gossipKey = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=";
const inventory = () => lab.inventory({ vars: { consul_gossip_key: gossipKey } });

/** A run that ends well: its steps, and how many pairs reached each other under their own addresses. */
async function fine(args: readonly string[] = []) {
  const { events } = await lab.fine(playbook, args, inventory());
  return { steps: stepsOf(events), pairs: cellsOf(events).filter((c) => c.ok && c.sourcePreserved).length };
}

/**
 * A run that makes the network anew: Docker's own fault, below, may leave a host without the names. Then that is all that is
 * wrong, the cause says what to do, and once that is done all pairs are right.
 */
async function anew(args: readonly string[] = []) {
  const { code, events, stderr } = await lab.events(playbook, args, inventory());
  const causes = cellsOf(events).flatMap((c) => (c.ok ? [] : [c.cause]));
  if (code === 3)
    for (const cause of causes) expect(cause).toMatch(/^name: .*has no address.*restart docker there$/);
  else expect({ code, stderr }).toEqual({ code: 0, stderr });
  if (code === 3) await restartDockers();
  return { steps: stepsOf(events), pairs: (await fine(args)).pairs };
}

/** A run that is refused, before it touched anything. */
async function refused(message: RegExp, args: readonly string[] = [], of = inventory(), exitCode = 2) {
  const { code, stdout, stderr } = await lab.run(playbook, args, of);
  expect(stdout + stderr).toMatch(message);
  expect(code).toBe(exitCode);
}

/** All hosts; consul writes its own data all the time. */
const snapshots = async () =>
  (await Promise.all(lab.names.map((h) => snapshot(lab, h)))).map((lines) =>
    lines.filter((line) => !line.includes("/var/lib/consul/causeway/")),
  );

/** A host's containers with their addresses and aliases, but for the ids that Docker adds. */
const addresses = (host: string) =>
  lab.must(
    host,
    `docker inspect -f '{{.Name}} {{range .NetworkSettings.Networks}}{{if .IPAddress}}{{.IPAddress}}{{else}}{{.IPAMConfig.IPv4Address}}{{end}} {{.Aliases}}{{end}}' $(docker ps -aq) | sed 's/ *\\b[0-9a-f]\\{12\\}\\b//g' | sort`,
  );

/**
 * Docker 20.10's threads may be stuck where they reach no store, once a network's last container has left a host; then the
 * host learns no names for as long as it runs containers on that network (docs/schemes/overlay.md). Its restart mends that; one
 * host after the other, because Dockers that start together may miss each other.
 */
async function restartDockers() {
  for (const host of lab.names) await lab.must(host, "systemctl restart docker");
}

const resolves = (host: string, from: string, name: string) =>
  lab.must(
    host,
    `docker exec ${from} nslookup ${name} && docker exec ${from} ping -c 1 -W 5 $(docker exec ${from} nslookup ${name} | sed -n 's/^Address: //p' | tail -n 1)`,
  );

describe.sequential("overlay", () => {
  const start = new Map<string, string[]>();
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
  });
  const asAtTheStart = async () => {
    for (const [i, now] of (await snapshots()).entries()) {
      const host = lab.names[i] ?? "";
      expect(differences(start.get(host) ?? [], now), host).toEqual([]);
    }
  };

  test("every refusal leaves every host byte for byte as it was", async () => {
    const on = (script: string) => lab.must("docker-201", script);
    // The same file, but for the package's name in it: what a Docker built without it looks like from outside.
    await on(
      "sed 's,libkv/store/consul,libkv/store/absent,g' /usr/sbin/dockerd >/tmp/dockerd && chmod 755 /tmp/dockerd && mount --bind /tmp/dockerd /usr/sbin/dockerd",
    );
    await refused(/built without the consul backend[\s\S]*overlay_store=etcd/);
    await on("umount /usr/sbin/dockerd; rm /tmp/dockerd");

    await on("docker run -d --name busy busybox sleep 10000");
    await refused(/this run restarts or stops Docker[\s\S]*busy/);
    await on("docker rm -f busy");

    await on('mkdir -p /etc/docker && echo \'{"hosts": ["tcp://0.0.0.0:2375"]}\' >/etc/docker/daemon.json');
    await refused(/does not start with hosts in two places/, ["-e", "docker_api=insecure"]);
    await on("rm /etc/docker/daemon.json");

    // The article's own way to open the port.
    await on(
      "mkdir -p /etc/systemd/system/docker.service.d; printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H unix:///var/run/docker.sock -H tcp://0.0.0.0:2375\\n' >/etc/systemd/system/docker.service.d/00-own.conf; systemctl daemon-reload",
    );
    await refused(/docker.service itself opens Docker's API/);
    await on("rm -r /etc/systemd/system/docker.service.d; systemctl daemon-reload");

    const tls = ["ca", "cert", "key"].flatMap((file) => [
      "-e",
      `docker_tls_${file}=/etc/docker/tls/${file}.pem`,
    ]);
    await refused(/missing on this host[\s\S]*\/etc\/docker\/tls\/key.pem/, ["-e", "docker_api=tls", ...tls]);
    await refused(/docker_api: tls needs three files/, ["-e", "docker_api=tls"], inventory(), 6);
    await asAtTheStart();
  });

  test.runIf(!full)("two hosts: all pairs under their own addresses", async () => {
    const two = lab.inventory({ hosts: lab.names.slice(0, 2) });
    const { code, events } = await lab.events(playbook, [], two);
    expect(code).toBe(0);
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(2);
  });

  inFull(
    "two hosts, and a third that joins later: all pairs reach each other, the gossip key is nowhere",
    async () => {
      const two = lab.inventory({
        hosts: ["docker-200", "docker-201"],
        vars: { consul_gossip_key: gossipKey },
      });
      const { code, stdout, stderr } = await lab.run(playbook, ["--diff"], two);
      expect(stdout + stderr).not.toContain(gossipKey);
      expect(code).toBe(0);
      expect(stdout).toContain("source preserved: 2/2");

      const joined = await fine();
      expect(joined.pairs).toBe(6);
      expect(joined.steps.filter((step) => /network overlay_1|cluster-store/.test(step))).toEqual([
        expect.stringContaining("docker-202 file"),
      ]);
      const nodes = await lab.must("docker-202", "consul kv get -keys docker/nodes/");
      for (const n of [200, 201, 202]) expect(nodes).toContain(`docker/nodes/${lab.net}.${n}:2375`);
      expect(await lab.must("docker-200", "stat -c '%a %U:%G' /etc/consul.d/causeway.json")).toBe(
        "640 root:consul\n",
      );
      expect(
        await lab.must("docker-200", "ss -Hltn 'sport = :2375 or sport = :8500' | awk '{print $4}'"),
      ).toBe("127.0.0.1:8500\n");
      expect(await fine()).toEqual({ steps: [], pairs: 6 });
    },
  );

  test("the hosts in another order: nothing to do, nothing restarted, and all of them still see the network", async () => {
    const hosts = (full ? lab.names : lab.names.slice(0, 2)).toReversed();
    const vars = full ? { consul_gossip_key: gossipKey } : {};
    const network = () =>
      Promise.all(hosts.map((host) => lab.must(host, "docker network inspect -f '{{.Id}}' overlay_1")));
    const before = await network();
    const swapped = await lab.events(playbook, ["--no-verify"], lab.inventory({ hosts, vars }));
    expect(doneBy(swapped)).toEqual(idle(hosts));
    expect(await network()).toEqual(before);
  });

  inFull("it stands after all hosts reboot at once", async () => {
    await labReboot(lab.spec, lab.names);
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  inFull("a container's name resolves on the other hosts, and after a restart of consul", async () => {
    await restartDockers();
    await lab.must(
      "docker-201",
      "docker run -d --restart always --name web --network overlay_1 --network-alias www busybox sleep 100000; docker create --name db --network overlay_1 --ip 10.0.2.77 busybox sleep 100000",
    );
    await lab.must(
      "docker-202",
      "docker run -d --restart always --name client --network overlay_1 busybox sleep 100000",
    );
    for (const name of ["web", "www"]) await resolves("docker-202", "client", name);
    await lab.must("docker-200", "systemctl restart consul");
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
    for (const name of ["web", "www"]) await resolves("docker-202", "client", name);
  });

  inFull(
    "another subnet: containers of all hosts leave, return with their addresses, and go back with a rollback",
    async () => {
      await restartDockers();
      const before = [await addresses("docker-201"), await addresses("docker-202")];
      const everything = await snapshots();
      await refused(/would lose the addresses[\s\S]*db has 10.0.2.77/, ["-e", "overlay_subnet=10.0.3.0/24"]);
      await refused(/containers of hosts outside this run are on it[\s\S]*client/, [
        "-e",
        "overlay_subnet=10.0.0.0/16",
        "--limit",
        "docker-200,docker-201",
      ]);
      expect(await snapshots()).toEqual(everything);

      const { steps, pairs } = await anew(["-e", "overlay_subnet=10.0.0.0/16"]);
      expect(pairs).toBe(6);
      expect(steps.map((step) => step.replace(/ → .*/, ""))).toEqual([
        "docker-200 network overlay_1",
        "docker-201 containers on overlay_1",
        "docker-201 containers on overlay_1",
        "docker-202 containers on overlay_1",
        "docker-202 containers on overlay_1",
      ]);
      expect([await addresses("docker-201"), await addresses("docker-202")]).toEqual(before);
      for (const name of ["web", "www"]) await resolves("docker-202", "client", name);

      expect((await lab.run("rollback", [], inventory())).code).toBe(0);
      expect([await addresses("docker-201"), await addresses("docker-202")]).toEqual(before);
      await restartDockers();
      expect(await fine()).toEqual({ steps: [], pairs: 6 });
      await resolves("docker-202", "client", "www");
    },
  );

  inFull("it stands after a restart of Docker on one host", async () => {
    await lab.must("docker-201", "systemctl restart docker");
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  inFull("a Docker that met no other when it started: verify says so, and a run mends it", async () => {
    const firewall = ["INPUT", "OUTPUT"].flatMap((chain) =>
      ["tcp", "udp"].map((protocol) => `${chain} -p ${protocol} --dport 7946 -j REJECT`),
    );
    await lab.must("docker-202", firewall.map((wall) => `iptables -I ${wall}`).join(" && "));
    // All down at once: one that had met it before would call it again.
    for (const host of lab.names) await lab.must(host, "systemctl stop docker.socket docker");
    for (const host of lab.names) await lab.must(host, "systemctl start docker.socket docker");
    await lab.must("docker-202", firewall.map((wall) => `iptables -D ${wall}`).join(" && "));
    const verify = await lab.events("playbooks/verify.ts", [], inventory());
    expect(verify.code).toBe(3);
    const lost = cellsOf(verify.events).filter((c) => !c.ok);
    expect(lost.map((c) => `${c.from} ${c.to}`)).toEqual([
      "docker-200 docker-202",
      "docker-201 docker-202",
      "docker-202 docker-200",
      "docker-202 docker-201",
    ]);
    for (const { cause } of lost) expect(cause).toMatch(/^Docker alone: Docker on docker-202 /);
    const leave = ["-e", "interrupt_containers=true"];
    const { code, events } = await lab.events(playbook, leave, inventory());
    const restarts = events.filter((e) => e.type === "consequence" && e.state === "done");
    expect(restarts.map((e) => `${e.what} on ${e.host}`)).toEqual(["restart docker on docker-202"]);
    expect(code).toBe(0);
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  inFull("another gossip key is refused: a consul with data keeps its old one", async () => {
    await restartDockers();
    const other = lab.inventory({
      vars: { consul_gossip_key: "cg8StVXbQJ0gPvMd9o7yrg==" },
    });
    const { code, stdout, stderr } = await lab.run(playbook, ["--no-verify"], other);
    expect(stdout + stderr).toMatch(/the gossip key changed/);
    expect(stdout + stderr).not.toContain("cg8StVXbQJ0gPvMd9o7yrg==");
    expect(code).toBe(2);
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  inFull(
    "an undo while the store is away changes nothing that needs it; with the store it leaves the hosts as they were",
    async () => {
      await lab.must("docker-200", "systemctl stop consul");
      const { code, stdout, stderr } = await lab.run(
        "playbooks/reset.ts",
        ["-e", "interrupt_containers=true"],
        inventory(),
      );
      expect(stdout + stderr).toMatch(/store consul:\/\/127.0.0.1:8500 does not answer/);
      expect(code).toBe(2);
      // Nobody goes on before the network has left the store.
      expect(stdout + stderr).toMatch(
        /nothing more is undone here, because the undo failed on docker-20[012]/,
      );
      expect(await lab.must("docker-202", "systemctl is-active consul")).toBe("active\n");

      await lab.must("docker-200", "systemctl start consul");
      expect(
        (await lab.run("playbooks/reset.ts", ["-e", "interrupt_containers=true"], inventory())).code,
      ).toBe(0);
      // Taken off beforehand, wherever they ran: else the network could not be removed.
      expect(
        await lab.must("docker-202", "docker inspect -f '{{json .NetworkSettings.Networks}}' client"),
      ).toBe("{}\n");
      await lab.must("docker-201", "docker rm -f web db");
      await lab.must("docker-202", "docker rm -f client");
      await asAtTheStart();
    },
  );

  inFull(
    "etcd as the store, and the API opened, closed, and given back to docker.socket",
    async () => {
      const etcd = ["-e", "overlay_store=etcd"];
      const open = [...etcd, "-e", "docker_api=insecure"];
      const { code, stdout, stderr } = await lab.run(playbook, open, inventory());
      expect({ code, said: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, said: "" });
      expect(stdout).toMatch(/warning: .*OPENS DOCKER'S API WITHOUT TLS/);
      expect(stdout).toContain("source preserved: 6/6");
      const nodes = await lab.must("docker-200", "ETCDCTL_API=2 etcdctl ls /docker/nodes");
      for (const n of [200, 201, 202]) expect(nodes).toContain(`/docker/nodes/${lab.net}.${n}:2375`);
      const ask = `docker -H tcp://${lab.net}.200:2375 version -f '{{.Server.Version}}'`;
      expect(await lab.must("docker-201", ask)).toMatch(/^20\.10/);
      // This machine is on the same wire, and is no host of the inventory.
      const stranger = await execute(["curl", "-sS", "-m", "3", `http://${lab.net}.200:2375/version`]);
      expect(stranger.code, stranger.stdout).toBe(28);

      expect(await fine(etcd)).toMatchObject({ pairs: 6 });
      expect(await fine(etcd)).toEqual({ steps: [], pairs: 6 });
      expect(
        await lab.must("docker-200", "ss -Hltn 'sport = :2375'; iptables-save | grep -c overlay-api || true"),
      ).toBe("0\n");
      // Another store, while the fleet runs: consul needs a package that etcd brought along, and that stays for it.
      expect(await fine()).toMatchObject({ pairs: 6 });
      expect(await fine()).toEqual({ steps: [], pairs: 6 });
      // The way back leads past the first store, which is gone for good by now: somebody has to say so.
      const stopped = await lab.run("playbooks/reset.ts", [], inventory());
      expect(stopped.stdout).toMatch(/store etcd:[^ ]* does not answer.* --force/);
      expect(stopped.code).toBe(2);
      expect((await lab.run("playbooks/reset.ts", ["--force"], inventory())).code).toBe(0);
      await asAtTheStart();
      await lab.must(
        "docker-200",
        "systemctl stop docker.service && docker ps && systemctl is-active docker.service",
      );
    },
    1_200_000,
  );

  inFull("the API over TLS answers who has a certificate, and nobody else", async () => {
    const folder = "/root/tls";
    for (const [i, host] of lab.names.entries())
      await lab.must(
        host,
        `mkdir -p ${folder} && cd ${folder} && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem -days 2 -subj /CN=${host} -addext subjectAltName=IP:${lab.net}.${200 + i} 2>/dev/null && cp ca.pem cert.pem`,
      );
    const tls = ["ca", "cert", "key"].flatMap((file) => ["-e", `docker_tls_${file}=${folder}/${file}.pem`]);
    expect((await fine(["-e", "docker_api=tls", ...tls])).pairs).toBe(6);
    const ask = `docker -H tcp://${lab.net}.200:2376`;
    const known = `--tlsverify --tlscacert ${folder}/ca.pem --tlscert ${folder}/cert.pem --tlskey ${folder}/key.pem`;
    await lab.must("docker-200", `${ask} ${known} version`);
    expect((await lab.on("docker-200", `${ask} --tls version`)).code).not.toBe(0);
    expect((await lab.on("docker-200", `${ask} version`)).code).not.toBe(0);
    expect((await lab.run("playbooks/reset.ts", [], inventory())).code).toBe(0);
    for (const host of lab.names) await lab.must(host, `rm -r ${folder}`);
    await lab.must("docker-200", "systemctl stop docker.service && docker ps");
    await asAtTheStart();
  });
});
