import { describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn, labReboot } from "../../src/lab/index.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, idle, inFull, recapOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-route", 1, 3);
const playbook = "playbooks/static-route.ts";
const dropIns = "/etc/systemd/system/docker.service.d";
const daemonJson = "/etc/docker/daemon.json";

/** The matrix without a run. */
async function matrix() {
  const { code, events } = await lab.events("playbooks/verify.ts");
  return { code, cells: cellsOf(events) };
}

describe.sequential("static-route", () => {
  test("what --check says is what is then performed; all pairs reach each other under their own address", async () => {
    const check = await lab.events(playbook, ["--check"]);
    expect(check.code).toBe(0);
    const planned = stepsOf(check.events, true);
    expect(planned).toHaveLength(3 * (2 + 5));
    expect((await lab.on("docker-200", "ls /etc/causeway /var/lib/causeway")).code).not.toBe(0);

    const first = await lab.events(playbook);
    expect(first.code).toBe(0);
    expect(stepsOf(first.events)).toEqual(planned);
    const cells = cellsOf(first.events);
    expect(cells).toHaveLength(6);
    expect(cells.filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names)
      expect(recapOf(first.events)[host]).toMatchObject({ failed: 0, restarts: 1 });
    expect(await lab.must("docker-200", "docker ps -aq")).toBe("");
  });

  test("a second run has nothing to do: zero steps, zero restarts", async () => {
    const { code, events } = await lab.events(playbook);
    expect(code).toBe(0);
    expect(stepsOf(events)).toEqual([]);
    for (const recap of Object.values(recapOf(events)))
      expect(recap).toMatchObject({ changed: 0, steps: 0, restarts: 0, ok: 5 });
  });

  test("nor has one with the hosts in another order", async () => {
    for (const order of ["1 0 2", "2 1 0"]) {
      const hosts = order.split(" ").map((i) => lab.names[Number(i)] ?? "");
      const again = await lab.events(playbook, ["--no-verify"], lab.inventory({ hosts }));
      expect(doneBy(again), order).toEqual(idle(hosts));
    }
  });

  test("a run with nothing to do is one round trip a host", async () => {
    const { stdout } = await lab.run(playbook, ["--no-verify", "-v", "--output", "json"]);
    const trips = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; host: string; roundTrips: number })
      .filter((e) => e.type === "disconnected");
    expect(trips.map((t) => t.roundTrips)).toEqual([1, 1, 1]);
  });

  test("routes and rules come back after all hosts reboot at once, without a run", async () => {
    await labReboot(lab.spec, lab.names);
    const { code, cells } = await matrix();
    expect(cells.filter((c) => c.ok)).toHaveLength(6);
    expect(code).toBe(0);
    expect(stepsOf((await lab.events(playbook, ["--no-verify"])).events)).toEqual([]);
  });

  test("and after Docker restarts", async () => {
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    expect((await matrix()).cells.filter((c) => c.ok)).toHaveLength(6);
    expect(stepsOf((await lab.events(playbook, ["--no-verify"])).events)).toEqual([]);
  });

  test("a host that is slow to put its rules back is waited for: by a run that restarts Docker, and by one that comes after", async () => {
    const slow = "/etc/systemd/system/causeway-network.service.d";
    const slowly = `mkdir -p ${slow}; printf '[Service]\\nExecStartPre=/bin/sleep 4\\n' >${slow}/slow.conf; systemctl daemon-reload`;
    await Promise.all(lab.names.map((h) => lab.must(h, slowly)));
    // Docker puts its masquerading in front of our rule, which is then behind it for a while.
    const moved = lab.inventory({ of: { "docker-202": { bip: "192.168.211.1/24" } } });
    const { code, events } = await lab.events(playbook, ["--no-verify"], moved);
    expect(code).toBe(0);
    expect(stepsOf(events).filter((step) => step.includes(" rule "))).toEqual([]);
    expect(recapOf(events)["docker-202"]).toMatchObject({ restarts: 1, failed: 0 });

    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    expect(doneBy(await lab.events(playbook, ["--no-verify"], moved))).toEqual(idle(lab.names));
    expect((await lab.events(playbook, ["--no-verify"])).code).toBe(0);
    await Promise.all(lab.names.map((h) => lab.must(h, `rm -r ${slow}; systemctl daemon-reload`)));
  });

  test("a rule, a route and docker0 that somebody changed are found and repaired, and only they", async () => {
    await lab.must(
      "docker-200",
      "iptables -D CAUSEWAY-FORWARD -s 192.168.200.0/24 -d 192.168.100.0/24 -j ACCEPT",
    );
    await lab.must("docker-201", `ip route replace 192.168.210.0/24 via ${lab.net}.200 proto 202`);
    await lab.must("docker-202", "ip addr flush dev docker0; ip addr add 172.30.0.1/16 dev docker0");
    const { code, events } = await lab.events(playbook);
    expect(code).toBe(0);
    expect(stepsOf(events)).toEqual([
      "docker-200 chain filter CAUSEWAY-FORWARD → 5 rules",
      `docker-201 routes peers → 192.168.210.0/24 via ${lab.net}.202`,
    ]);
    const recap = recapOf(events);
    expect([
      recap["docker-200"]?.restarts,
      recap["docker-201"]?.restarts,
      recap["docker-202"]?.restarts,
    ]).toEqual([0, 0, 1]);
    expect(cellsOf(events).filter((c) => c.ok)).toHaveLength(6);
  });

  inFull("a lost route is a failed pair with its cause, exit 3", async () => {
    await lab.must("docker-200", "ip route del 192.168.200.0/24");
    const { code, cells } = await matrix();
    expect(code).toBe(3);
    const failed = cells.filter((c) => !c.ok);
    expect(failed.map((c) => `${c.from} ${c.to}`).sort()).toEqual([
      "docker-200 docker-201",
      "docker-201 docker-200",
    ]);
    expect(failed.find((c) => c.from === "docker-200")?.cause).toMatch(/no route/);
    expect((await lab.run(playbook)).code).toBe(0);
  });

  test("running containers are named before they lose their network, and are the operator's to decide", async () => {
    await lab.must("docker-200", "docker run -d --name web busybox sleep 1000");
    const inventory = lab.inventory({ of: { "docker-200": { bip: "192.168.101.1/24" } } });
    const snapshots = () => Promise.all(lab.names.map((host) => snapshot(lab, host)));
    const before = await snapshots();
    for (const args of [[], ["--check"]]) {
      const refused = await lab.run(playbook, args, inventory);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(
        /^docker-200: this run restarts[^\n]*\n[^\n]* web \(bridge, restart policy no\)$/m,
      );
    }
    // Not even the routes to the new subnet were added on the others.
    for (const [index, now] of (await snapshots()).entries())
      expect(differences(before[index] ?? [], now)).toEqual([]);
    expect(await lab.must("docker-200", `cat ${daemonJson}`)).toContain("192.168.100.1/24");
    await lab.must("docker-200", "docker rm -f web");
  });

  test("a bip that dockerd refuses ends with the old file and a running Docker", async () => {
    const before = await lab.must("docker-201", `cat ${daemonJson}`);
    // A daemon that does not start with it, for a reason that nobody can know beforehand.
    await lab.must(
      "docker-201",
      `mkdir -p ${dropIns}; printf '[Service]\\nExecStartPre=/bin/sh -c "! grep 192.168.201 ${daemonJson}"\\n' >${dropIns}/moody.conf; systemctl daemon-reload`,
    );
    const inventory = lab.inventory({ of: { "docker-201": { bip: "192.168.201.1/24" } } });
    const { code, stdout } = await lab.run(playbook, ["-l", "docker-201", "--no-verify"], inventory);
    expect(stdout).toMatch(/"bip": "192.168.201.1.24"/);
    expect(stdout).toMatch(/restart docker failed; the steps that asked for it were undone/);
    expect(code).toBe(2);
    expect(await lab.must("docker-201", `cat ${daemonJson}`)).toBe(before);
    expect(await lab.must("docker-201", "systemctl is-active docker; ip -o -4 addr show docker0")).toMatch(
      /^active\n.*192\.168\.200\.1/s,
    );
    await lab.must("docker-201", `rm -r ${dropIns}; systemctl daemon-reload`);
  });

  test("daemon.json: foreign keys stay; one that is not JSON is refused before anything is changed, and can be left out", async () => {
    await lab.reset();
    const foreign = '{\n    "registry-mirrors" : [ "https://mirror.example" ],\n    "debug": false\n}\n';
    const broken = '{\n  "debug": true,,\n}';
    await lab.must("docker-200", `mkdir -p /etc/docker && printf %s '${foreign}' >${daemonJson}`);
    await lab.must("docker-201", `mkdir -p /etc/docker && printf %s '${broken}' >${daemonJson}`);
    const refused = await lab.run(playbook);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`${daemonJson}:2:17`);
    expect(await lab.must("docker-200", "ls /var/lib/causeway 2>&1 || true")).toContain("No such file");
    const { code, events } = await lab.events(playbook, ["-l", "!docker-201"]);
    expect(code).toBe(0);
    expect(await lab.must("docker-201", `cat ${daemonJson}`)).toBe(broken);
    const written = await lab.must("docker-200", `cat ${daemonJson}`);
    const { bip, "allow-direct-routing": _since28, ...rest } = JSON.parse(written);
    expect({ bip, rest }).toEqual({ bip: "192.168.100.1/24", rest: JSON.parse(foreign) });
    expect(written).toContain('    "registry-mirrors" : [ "https://mirror.example" ],\n');
    expect(recapOf(events)["docker-202"]).toMatchObject({ failed: 0, restarts: 1 });
    const cells = cellsOf(events);
    expect(cells.map((c) => `${c.from} ${c.to} ${c.ok}`).sort()).toEqual([
      "docker-200 docker-202 true",
      "docker-202 docker-200 true",
    ]);
  });

  test("a host that is down: exit 4, the others converge, the recap says which and why", async () => {
    await labPowerOff(lab.spec, ["docker-202"]);
    // Without its lab block the inventory does not bring the host up again.
    const { inventory, sshConfig } = lab.plainInventory();
    const args = ["--timeout", "3", "-l", "docker-200:docker-202", "--no-verify"];
    const { code, events } = await lab.events(playbook, [...args, "--ssh-config", sshConfig], inventory);
    expect(code).toBe(4);
    expect(events.find((e) => e.type === "unreachable")).toMatchObject({
      host: "docker-202",
      error: { code: "unreachable" },
    });
    expect(recapOf(events)["docker-200"]).toMatchObject({ failed: 0 });
    await labPowerOn(lab.spec, ["docker-202"]);
  });

  test("a docker that hangs is a timeout that names the command; nothing is left running", async () => {
    await lab.must("docker-200", "kill -STOP $(systemctl show -p MainPID --value docker)");
    const { code, stdout } = await lab.run(playbook, [
      "-l",
      "docker-200",
      "--no-verify",
      "--command-timeout",
      "3",
    ]);
    const left = await lab.on("docker-200", "ps -eo args | grep '^docker '");
    await lab.must("docker-200", "kill -CONT $(systemctl show -p MainPID --value docker)");
    expect(code).toBe(2);
    expect(stdout).toMatch(/did not end within 3 s/);
    expect(stdout).toMatch(/command .*docker/s);
    expect(left.stdout).toBe("");
  });
});
