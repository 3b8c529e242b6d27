import { describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { cellsOf, doneBy, idle, inFull, type RunEventLike, recapOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-macvlan", 7, 2);
const playbook = "playbooks/macvlan.ts";

/** The matrix as words, a pair each: `docker-200 → docker-201 ok`. */
function pairs(events: readonly RunEventLike[]): string[] {
  return cellsOf(events)
    .map(
      (c) =>
        `${c.from} → ${c.to} ${c.ok ? "ok" : (c.cause ?? "lost")}${c.sourcePreserved ? ", own source" : ""}`,
    )
    .sort();
}

const complete = [
  "docker-200 → docker-200 ok",
  "docker-200 → docker-201 ok, own source",
  "docker-201 → docker-200 ok, own source",
  "docker-201 → docker-201 ok",
];

/** Where a container is on the network, and how it got there: `172.16.10.77 asked`. */
const addressOf = (name: string) =>
  `docker inspect -f '{{with .NetworkSettings.Networks.macvlan_1}}{{.IPAddress}} {{with .IPAMConfig}}{{.IPv4Address}}{{end}}{{end}}' ${name}`;

describe.sequential("macvlan", () => {
  test("a fresh lab: what --check says is performed; containers reach each other, hosts not their own", async () => {
    const check = await lab.events(playbook, ["--check"]);
    expect(check.code).toBe(0);
    const { code, events } = await lab.events(playbook);
    expect(stepsOf(events)).toEqual(stepsOf(check.events, true));
    expect(stepsOf(events)).toEqual([
      "docker-200 network macvlan_1 → macvlan 172.16.10.0/24 gateway 172.16.10.1 range 172.16.10.0/25 without shim=172.16.10.127 on host0",
      "docker-201 network macvlan_1 → macvlan 172.16.10.0/24 gateway 172.16.10.1 range 172.16.10.128/25 without shim=172.16.10.254 on host0",
    ]);
    expect(pairs(events)).toEqual(complete);
    expect(cellsOf(events).filter((c) => "expected" in c && c.expected === "unreachable")).toHaveLength(2);
    expect(code).toBe(0);
    expect(await lab.must("docker-200", "docker ps -aq")).toBe("");
  });

  test("a second run has nothing to do, and the matrix stands after all hosts reboot at once", async () => {
    await labReboot(lab.spec, lab.names);
    const { code, events } = await lab.events(playbook);
    expect(stepsOf(events)).toEqual([]);
    for (const recap of Object.values(recapOf(events)))
      expect(recap).toMatchObject({ changed: 0, steps: 0, restarts: 0 });
    expect(pairs(events)).toEqual(complete);
    expect(code).toBe(0);
  });

  test("with the hosts in another order nobody's part of the subnet moves, and who has none gets what is free", async () => {
    await lab.must("docker-201", "docker run -d --name web --network macvlan_1 busybox sleep 9000");
    const before = await lab.must("docker-201", addressOf("web"));
    const hosts = lab.names.toReversed();
    const swapped = await lab.events(playbook, ["--no-verify"], lab.inventory({ hosts }));
    expect(doneBy(swapped)).toEqual(idle(hosts));
    expect(await lab.must("docker-201", addressOf("web"))).toBe(before);
    await lab.must("docker-201", "docker rm -f web");
    // Made anew, it is by its place, which is the other's: it takes what is free.
    await lab.must("docker-201", "docker network rm macvlan_1");
    const one = await lab.events(playbook, ["--no-verify"], lab.inventory({ hosts }));
    expect(stepsOf(one.events)).toEqual([
      expect.stringMatching(/^docker-201 .* range 172\.16\.10\.128\/25 /),
    ]);
  });

  inFull(
    "and after Docker restarts on one host; verify finds the network by itself, and what is kept apart",
    async () => {
      await lab.must("docker-201", "systemctl restart docker");
      const { code, events } = await lab.events("playbooks/verify.ts");
      expect(events.find((e) => e.type === "message")).toMatchObject({
        text: "the hosts run macvlan (macvlan_1)",
      });
      expect(pairs(events)).toEqual(complete);
      expect(code).toBe(0);
    },
  );

  test("an equal network of somebody's own is left alone, whatever the order of its options", async () => {
    await lab.must(
      "docker-200",
      `docker network rm macvlan_1 && docker network create --opt parent=host0 --aux-address shim=172.16.10.127 \
--ip-range 172.16.10.0/25 --gateway 172.16.10.1 --subnet 172.16.10.0/24 -d macvlan macvlan_1`,
    );
    expect(stepsOf((await lab.events(playbook, ["--no-verify"])).events)).toEqual([]);
  });

  inFull("another subnet: made anew, its containers named and back under their addresses", async () => {
    await lab.must(
      "docker-200",
      `docker run -d --name web --network macvlan_1 --network-alias www --ip 172.16.10.77 busybox sleep 9000
docker create --name resting --network macvlan_1 --ip 172.16.10.78 busybox sleep 9000
docker run -d --name chosen --network macvlan_1 busybox sleep 9000`,
    );
    const wide = lab.inventory({ vars: { macvlan_subnet: "172.16.8.0/22", macvlan_gateway: "172.16.8.1" } });
    const chosen = (await lab.must("docker-200", addressOf("chosen"))).trim();
    const { code, events } = await lab.events(playbook, [], wide);
    expect(stepsOf(events)[0]).toMatch(/; reconnects /);
    for (const words of ["web (172.16.10.77)", "resting (172.16.10.78)", `chosen (${chosen})`])
      expect(stepsOf(events)[0]).toContain(words);
    expect(pairs(events)).toEqual(complete);
    expect(code).toBe(0);
    await lab.must("docker-200", "docker start resting");
    expect(await lab.must("docker-200", addressOf("web"))).toBe("172.16.10.77 172.16.10.77\n");
    expect(await lab.must("docker-200", addressOf("resting"))).toBe("172.16.10.78 172.16.10.78\n");
    expect(await lab.must("docker-200", addressOf("chosen"))).toContain(chosen);
    expect(await lab.must("docker-200", "docker exec chosen nslookup www 127.0.0.11")).toContain(
      "172.16.10.77",
    );
    expect(stepsOf((await lab.events(playbook, ["--no-verify"], wide)).events)).toEqual([]);
  });

  inFull(
    "a subnet without room for an address that was asked for is refused, and nothing is changed",
    async () => {
      const before = await lab.must("docker-200", "docker network inspect macvlan_1");
      const elsewhere = lab.inventory({ vars: { macvlan_subnet: "172.16.90.0/24" } });
      const { code, stderr } = await lab.run(playbook, [], elsewhere);
      expect(code).toBe(2);
      expect(stderr).toMatch(/web has 172\.16\.10\.77/);
      expect(await lab.must("docker-200", "docker network inspect macvlan_1")).toBe(before);
    },
  );

  inFull("where Docker had chosen the address, it chooses anew", async () => {
    await lab.must("docker-200", "docker rm -f web resting chosen");
    await lab.must("docker-201", "docker run -d --name chosen --network macvlan_1 busybox sleep 9000");
    const elsewhere = lab.inventory({ vars: { macvlan_subnet: "172.16.90.0/24" } });
    const { code, events } = await lab.events(playbook, ["--no-verify"], elsewhere);
    expect(code).toBe(0);
    expect(stepsOf(events)[1]).toMatch(/reconnects chosen \(a new address for 172\.16\./);
    expect(await lab.must("docker-201", addressOf("chosen"))).toMatch(/^172\.16\.90\./);
    await lab.must("docker-201", "docker rm -f chosen");
    expect((await lab.events(playbook, ["--no-verify"])).code).toBe(0);
  });

  inFull(
    "with a shim a host reaches its own container, after a reboot as well; without it no more",
    async () => {
      const shim = ["-e", "macvlan_shim=true"];
      await lab.must("docker-200", "docker rm -f web resting chosen");
      expect((await lab.events(playbook, ["--no-verify"])).code).toBe(0);
      const on = await lab.events(playbook, shim);
      expect(stepsOf(on.events)).toEqual([
        "docker-200 link macvlan-shim → macvlan on host0, 172.16.10.127, the way to 172.16.10.0/25",
        "docker-201 link macvlan-shim → macvlan on host0, 172.16.10.254, the way to 172.16.10.128/25",
      ]);
      expect(pairs(on.events)).toEqual(complete);
      expect(cellsOf(on.events).filter((c) => "expected" in c && c.expected === "reachable")).toHaveLength(4);
      await labReboot(lab.spec, lab.names);
      const again = await lab.events(playbook, shim);
      expect(stepsOf(again.events)).toEqual([]);
      expect(pairs(again.events)).toEqual(complete);
      const off = await lab.events(playbook);
      expect(off.code).toBe(0);
      expect(pairs(off.events)).toEqual(complete);
      expect((await lab.on("docker-200", "ip link show macvlan-shim")).code).not.toBe(0);
    },
  );

  test("IPv6 beside IPv4: made anew, both proved, and a second run has nothing to do", async () => {
    const six = ["-e", "macvlan_subnet6=fd00:16:10::/64"];
    const { code, events } = await lab.events(playbook, six);
    expect(
      stepsOf(events).map((words) =>
        words.replace(/.*(fd00:16:10::\/64 .*) without.*(shim6=\S*).*/, "$1 $2"),
      ),
    ).toEqual([
      "fd00:16:10::/64 gateway fd00:16:10::1 range fd00:16:10::/121 shim6=fd00:16:10::7f",
      "fd00:16:10::/64 gateway fd00:16:10::1 range fd00:16:10::80/121 shim6=fd00:16:10::ff",
    ]);
    expect(events.flatMap(({ matrix }) => matrix?.title ?? [])).toEqual([
      "containers on macvlan_1",
      "containers on macvlan_1, IPv6",
    ]);
    expect(pairs(events)).toEqual(complete);
    expect(code).toBe(0);
    expect(doneBy(await lab.events(playbook, [...six, "--no-verify"]))).toEqual(idle(lab.names));
    expect((await lab.events(playbook, ["--no-verify"])).code).toBe(0);
  });

  test("a parent that is not there, or a sub-interface without 802.1q, is refused before any host is touched", async () => {
    for (const [parent, message] of [
      ["host7", /host7 does not exist/],
      ["host0.50", /cannot make the sub-interface host0\.50/],
    ] as const) {
      const inventory = lab.inventory({ of: { "docker-201": { macvlan_parent: parent } } });
      const { code, stderr } = await lab.run(playbook, ["-e", "macvlan_subnet=172.16.99.0/24"], inventory);
      expect(stderr).toMatch(message);
      expect(code).not.toBe(0);
      for (const host of lab.names)
        expect(await lab.must(host, "docker network inspect macvlan_1")).toContain("172.16.10.0/24");
    }
  });

  test("reset takes network and shim away", async () => {
    const { code } = await lab.run("playbooks/reset.ts");
    expect(code).toBe(0);
    for (const host of lab.names) {
      expect(await lab.must(host, "docker network ls -q --filter driver=macvlan")).toBe("");
      expect((await lab.on(host, "ls /etc/causeway")).code).not.toBe(0);
    }
  });
});
