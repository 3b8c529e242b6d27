import { beforeAll, describe, expect, test } from "vitest";
import { differences, snapshot } from "./snapshot.ts";
import { batchesOf, cellsOf, doneBy, full, idle, messagesOf, type RunEventLike, useLab } from "./support.ts";

const lab = useLab("test-overlay-roll", 46, 3);
const [first, second, third] = lab.names as [string, string, string];
const overlay = "playbooks/overlay.ts";
const macvlan = "playbooks/macvlan.ts";

/** Whose turn it was, batch after batch. */
const turnsOf = (events: readonly RunEventLike[]) => batchesOf(events).map((hosts) => hosts.join());

/** Restarts and gates of a run, in order: `restart consul docker-200`, `store-health passed`. */
const courseOf = (events: readonly RunEventLike[]) =>
  events.flatMap((e) => {
    if (e.type === "consequence" && e.state === "done" && e.what?.startsWith("restart"))
      return [`${e.what} ${e.host}`];
    return e.type === "probe" && e.stage === "gate" && e.state !== "started" ? [`${e.name} ${e.state}`] : [];
  });

const snapshots = async () =>
  (await Promise.all(lab.names.map((h) => snapshot(lab, h)))).map((lines) =>
    lines.filter((line) => !line.includes("/var/lib/consul/causeway/")),
  );

/** The name of a container is one of the whole network. */
const webOn = (host: string) => `web-${host}`;

/** In that container: five pings a second to an address, and a question for a name as often. */
async function call(from: string, address: string, name?: string): Promise<void> {
  const asks = name
    ? `(while [ -e /go ]; do nslookup ${name} 127.0.0.11 >/dev/null 2>&1 && echo ok || echo lost; sleep 0.2; done) >/names.log &`
    : "";
  const script = `touch /go; ${asks} ping -i 0.2 ${address} >/ping.log & echo $! >/ping.pid; wait`;
  await lab.must(from, `docker exec -d ${webOn(from)} sh -c '${script}'`);
}

/** What was lost of it. */
async function hangUp(from: string) {
  const said = await lab.must(
    from,
    `docker exec ${webOn(from)} sh -c 'rm /go; kill -INT $(cat /ping.pid); sleep 1; cat /ping.log /names.log 2>/dev/null || true'`,
  );
  const [, sent = "0", received = "0"] = /(\d+) packets transmitted, (\d+) packets received/.exec(said) ?? [];
  const names = {
    asked: said.match(/^(ok|lost)$/gm)?.length ?? 0,
    lost: said.match(/^lost$/gm)?.length ?? 0,
  };
  return { sent: Number(sent), lost: Number(sent) - Number(received), names };
}

describe.runIf(full).sequential("an overlay network in use", () => {
  const inventory = (of: Record<string, object> = {}, vars: Record<string, unknown> = {}) =>
    lab.inventory({ groups: { consul: lab.names }, vars: { interrupt_containers: true, ...vars }, of });
  const open = { docker_api: "insecure" };
  const addressOf = async (host: string) =>
    (
      await lab.must(
        host,
        `docker inspect -f '{{.NetworkSettings.Networks.overlay_1.IPAddress}}' ${webOn(host)}`,
      )
    ).trim();

  beforeAll(async () => {
    await lab.fine(overlay, ["--no-verify"], inventory());
    for (const host of lab.names)
      await lab.must(
        host,
        `docker run -d --name ${webOn(host)} --restart always --network overlay_1 busybox sleep 100000`,
      );
  });

  test("another setting of one host's Docker: the others lose no packet and no name", async () => {
    await call(second, await addressOf(third), webOn(third));
    await call(third, await addressOf(first));
    const { events } = await lab.fine(overlay, ["--serial", "1"], inventory({ [first]: open }));
    const others = await hangUp(second);
    const own = await hangUp(third);
    expect(turnsOf(events)).toContain(first);
    expect(courseOf(events).filter((line) => line.includes("docker"))).toEqual([`restart docker ${first}`]);
    expect(others.sent).toBeGreaterThan(10);
    expect(others.names.asked).toBeGreaterThan(10);
    expect([others.lost, others.names.lost]).toEqual([0, 0]);
    expect(own.lost).toBeGreaterThan(0);
    expect(cellsOf(events).filter(({ ok }) => ok)).toHaveLength(6);
  });

  test("of all hosts: one Docker after the other, each proved before the next", async () => {
    const { events } = await lab.fine(overlay, ["--serial", "1"], inventory({}, open));
    expect(courseOf(events).filter((line) => /docker|ping/.test(line))).toEqual([
      "ping-check passed",
      "ping-check passed",
      `restart docker ${second}`,
      "ping-check passed",
      `restart docker ${third}`,
      "ping-check passed",
    ]);
    expect(doneBy(await lab.events(overlay, ["--serial", "1"], inventory({}, open)))).toEqual(
      idle(lab.names),
    );
  });

  test("three servers of consul: one after the other without being asked, with the quorum proved in between", async () => {
    const wanted = inventory({}, { ...open, consul_ui: true });
    const { events } = await lab.fine(overlay, [], wanted);
    expect(courseOf(events)).toEqual(
      lab.names.flatMap((host) => [`restart consul ${host}`, "store-health passed"]),
    );
    expect(turnsOf(events)).toEqual(lab.names);
    expect(doneBy(await lab.events(overlay, [], wanted))).toEqual(idle(lab.names));
  });

  test.each([
    ["overlay_store", "etcd", "overlay_store consul → etcd"],
    ["overlay_subnet", "10.0.4.0/24", "overlay_1 overlay global 10.0.2.0/24 → overlay global 10.0.4.0/24"],
  ])(
    "another %s is done at once: a check says so, and --serial is refused before the first step",
    async (name, value, words) => {
      const wanted = inventory({}, { ...open, consul_ui: true, [name]: value });
      const before = await snapshots();
      const check = await lab.events(overlay, ["--check"], wanted);
      expect(messagesOf(check.events).join("\n")).toContain(`is done on all hosts at once: ${words}`);
      const refused = await lab.run(overlay, ["--serial", "1"], wanted);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(`--serial 1, and ${words}`);
      for (const [index, now] of (await snapshots()).entries())
        expect(differences(before[index] ?? [], now)).toEqual([]);
    },
  );

  test("another subnet at once: all containers come back to it", async () => {
    const wanted = inventory({}, { ...open, consul_ui: true, overlay_subnet: "10.0.0.0/16" });
    await lab.fine(overlay, ["--no-verify"], wanted);
    for (const host of lab.names) expect(await addressOf(host)).toMatch(/^10\.0\./);
    for (const host of lab.names) await lab.must(host, `docker rm -f ${webOn(host)}`);
    await lab.fine("playbooks/reset.ts", [], wanted);
  });
});

describe.runIf(full).sequential("a macvlan network in use", () => {
  const inventory = (of: Record<string, object> = {}, vars: Record<string, unknown> = {}) =>
    lab.inventory({ vars, of });
  const reserved = { macvlan_aux: { printer: "172.16.10.9" } };
  const addressOf = async (host: string) =>
    (
      await lab.must(
        host,
        `docker inspect -f '{{.NetworkSettings.Networks.macvlan_1.IPAddress}}' ${webOn(host)}`,
      )
    ).trim();

  beforeAll(async () => {
    await lab.fine(macvlan, ["--no-verify"], inventory());
    for (const host of lab.names)
      await lab.must(host, `docker run -d --name ${webOn(host)} --network macvlan_1 busybox sleep 100000`);
  });

  test("what is a host's own is changed host by host: the others lose no packet", async () => {
    await call(second, await addressOf(third));
    const { events } = await lab.fine(macvlan, ["--serial", "1"], inventory({ [first]: reserved }));
    const others = await hangUp(second);
    expect(turnsOf(events)).toEqual([first]);
    expect(others.sent).toBeGreaterThan(10);
    expect(others.lost).toBe(0);
    const all = await lab.fine(macvlan, ["--serial", "1"], inventory({}, reserved));
    expect(turnsOf(all.events)).toEqual([second, third]);
    expect(doneBy(await lab.events(macvlan, ["--serial", "1"], inventory({}, reserved)))).toEqual(
      idle(lab.names),
    );
  });

  test("another subnet is refused with --serial before the first step, and done at once without it", async () => {
    const wanted = inventory(
      {},
      { ...reserved, macvlan_subnet: "172.16.8.0/22", macvlan_gateway: "172.16.10.1" },
    );
    const words = "macvlan_subnet 172.16.10.0/24 → 172.16.8.0/22";
    const before = await snapshots();
    const refused = await lab.run(macvlan, ["--serial", "1"], wanted);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`--serial 1, and ${words}`);
    for (const [index, now] of (await snapshots()).entries())
      expect(differences(before[index] ?? [], now)).toEqual([]);
    const { events } = await lab.fine(macvlan, [], wanted);
    expect(messagesOf(events).join("\n")).toContain(`is done on all hosts at once: ${words}`);
    for (const host of lab.names) await lab.must(host, `docker rm -f ${webOn(host)}`);
    await lab.fine("playbooks/reset.ts", [], wanted);
  });
});
