import { describe, expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { rawScript, Secret, sh } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import type { Variable } from "../../src/inventory/types.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { defineFact, definePlaybook } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { run } from "../../src/run/run.ts";
import { defineTask } from "../../src/task/define.ts";
import { later, owed, type PlanItem, restart } from "../../src/task/step.ts";
import { connectTo, FakeHost, put } from "./fake-host.ts";

const params = Type.Object({ name: Type.String(), value: Type.String() });
type Present = (value: string | undefined, wanted: { name: string; value: string }) => readonly PlanItem[];

function taskWith(present: Present, settles?: string, afterRestarts?: true) {
  return defineTask({
    name: "value",
    summary: "sets a value",
    params,
    key: ({ name }) => name,
    read: async (host, { name }) => {
      const { stdout, code } = await host.read(rawScript(`cat ${name}`), { looksAt: [`value:${name}`] });
      return code === 0 ? stdout : undefined;
    },
    present,
    ...(settles === undefined ? {} : { settles }),
    ...(afterRestarts ? { afterRestarts } : {}),
  });
}

const value = taskWith((now, { name, value: want }) => (now === want ? [] : [put(name, want)]));

function playbook(plays: Playbook["plays"], over: Partial<Playbook> = {}): Playbook {
  return {
    ...definePlaybook({ name: "test", summary: "x", vars: Type.Object({}), plays: [] }),
    ...over,
    plays,
  } as Playbook;
}

async function runOn(
  names: string[],
  book: Playbook,
  over: {
    check?: boolean;
    hosts?: Map<string, FakeHost>;
    limit?: string;
    extraVars?: Map<string, Variable>;
    stopAt?: (event: RunEvent) => boolean;
    verbose?: boolean;
  } = {},
) {
  const hosts = over.hosts ?? new Map(names.map((n) => [n, new FakeHost()]));
  const events: RunEvent[] = [];
  const extraVars = over.extraVars ?? new Map<string, Variable>();
  const stop = new AbortController();
  const outcome = await run({
    playbook: book,
    inventory: await loadInventory([`${names.join(",")},`], extraVars),
    extraVars,
    check: over.check ?? false,
    verify: false,
    forks: 64,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 1000 },
    connect: connectTo(hosts),
    reporter: {
      event: (e) => {
        events.push(e);
        if (over.stopAt?.(e)) stop.abort();
      },
      close: async () => {},
    },
    interrupted: stop.signal,
    breakLock: false,
    verbose: over.verbose ?? false,
    ...(over.limit === undefined ? {} : { limit: over.limit }),
  });
  return { outcome, events, hosts, host: hosts.get(names[0] ?? "") as FakeHost };
}

const play = (tasks: Playbook["plays"][number]["tasks"], title = "play") => ({ title, hosts: "all", tasks });

describe("converging one host", () => {
  test("stopped at the end of a play: the plays that were not begun are named", async () => {
    const book = playbook(
      ["one", "two", "three"].map((title) => play(() => [value({ name: title, value: "1" })], title)),
    );
    const { outcome, events, host } = await runOn(["h1"], book, {
      stopAt: (e) => e.type === "task" && e.state === "changed",
    });
    expect(outcome.exitCode).toBe(130);
    expect(host.performed).toEqual(["put one 1"]);
    expect(events.filter((e) => e.type === "message").map((e) => e.text)).toEqual([
      "not started: “two”, “three”",
    ]);
  });

  test("missing steps are performed, in one script; then nothing is missing", async () => {
    const book = playbook([play(() => [value({ name: "a", value: "1" }), value({ name: "b", value: "2" })])]);
    const first = await runOn(["h1"], book);
    expect(first.host.performed).toEqual(["put a 1", "put b 2"]);
    expect(first.outcome).toMatchObject({ exitCode: 0, hosts: { h1: { changed: 2, ok: 0, steps: 2 } } });
    const second = await runOn(["h1"], book, { hosts: first.hosts });
    expect(second.outcome.hosts.h1).toMatchObject({ changed: 0, ok: 2, steps: 0 });
    expect(first.host.performed).toHaveLength(2);
  });

  test("what a step says is told as it comes with -v alone, and costs no round trip", async () => {
    const book = playbook([play(() => [value({ name: "a", value: "1" })])]);
    const [loud, plain] = [await runOn(["h1"], book, { verbose: true }), await runOn(["h1"], book)];
    const said = [loud, plain].map(({ events }) =>
      events.flatMap((e) => (e.type === "output" ? [`${e.host} ${e.what}: ${e.lines.join()}`] : [])),
    );
    expect(said).toEqual([["h1 a: a is on its way"], []]);
    expect(loud.host.trips).toBe(plain.host.trips);
    expect(plain.host.scripts.join("\n")).not.toMatch(/^cw_live=\d/m);
  });

  test("nothing to do is one round trip, whatever the number of plays and tasks", async () => {
    const tasks = Array.from({ length: 50 }, (_, i) => value({ name: `v${i}`, value: "x" }));
    const host = new FakeHost();
    for (let i = 0; i < 50; i += 1) host.values.set(`v${i}`, "x");
    await runOn(["h1"], playbook([play(() => tasks), play(() => tasks, "again")]), {
      hosts: new Map([["h1", host]]),
    });
    expect(host.trips).toBe(1);
  });

  test("a play's tasks are composed once a host, and only for hosts of the play", async () => {
    const composed: string[] = [];
    const one = (title: string, hosts: string): Playbook["plays"][number] => ({
      title,
      hosts,
      tasks: (host) => {
        composed.push(`${title} on ${host.name}`);
        return [value({ name: title, value: "1" })];
      },
    });
    await runOn(["h1", "h2"], playbook([one("a", "all"), one("b", "h2")]));
    expect(composed.sort()).toEqual(["a on h1", "a on h2", "b on h2"]);
  });

  test("a task that misses nothing is planned once, and one that does once more after its steps", async () => {
    const planned: string[] = [];
    const counted = taskWith((now, { name, value: want }) => {
      planned.push(name);
      return now === want ? [] : [put(name, want)];
    });
    const host = new FakeHost();
    host.values.set("there", "1");
    await runOn(
      ["h1"],
      playbook([
        play(() => [counted({ name: "there", value: "1" }), counted({ name: "missing", value: "1" })]),
      ]),
      { hosts: new Map([["h1", host]]) },
    );
    expect(planned).toEqual(["there", "missing", "missing"]);
  });

  test("a play that asks who answered is composed when all have", async () => {
    const reached: string[] = [];
    const book = playbook([
      play((_, fleet) => [value({ name: "seen", value: fleet.reached.map((h) => h.name).join() })]),
    ]);
    const { hosts } = await runOn(["h1", "h2", "h3"], book);
    for (const host of hosts.values()) reached.push(host.values.get("seen") ?? "");
    expect(reached).toEqual(["h1,h2,h3", "h1,h2,h3", "h1,h2,h3"]);
  });

  describe("facts that arise during the run", () => {
    const key = defineFact({
      name: "key",
      read: async (host) => {
        // Not in the words of the task, whose answer is fresh by then.
        const { stdout, code } = await host.read(rawScript("cat  key"), { looksAt: ["value:key"] });
        return code === 0 ? new Secret(stdout) : undefined;
      },
    });
    const peers = taskWith((now, { name, value: want }) =>
      want.includes("?") ? [later("the keys are made first")] : now === want ? [] : [put(name, want)],
    );
    const keysOf = (hosts: readonly { facts: Readonly<Record<string, unknown>> }[]) =>
      hosts.map(({ facts }) => (facts.key instanceof Secret ? facts.key.reveal() : "?")).join();
    const book = playbook(
      [
        play((host) => [value({ name: "key", value: `k-${host.name}` })], "make"),
        {
          ...play((_, fleet) => [peers({ name: "peers", value: keysOf(fleet.reached) })], "meet"),
          learns: ["key"],
        },
      ],
      { facts: { key } },
    );

    test("are read again on all hosts before the play that learns them", async () => {
      const { hosts, outcome } = await runOn(["h1", "h2"], book);
      expect(outcome.exitCode).toBe(0);
      expect([...hosts.values()].map((host) => host.values.get("peers"))).toEqual(["k-h1,k-h2", "k-h1,k-h2"]);
      for (const host of hosts.values()) host.trips = 0;
      const second = await runOn(["h1", "h2"], book, { hosts });
      expect(second.outcome.hosts.h1).toMatchObject({ changed: 0, ok: 2 });
      expect([...hosts.values()].map(({ trips }) => trips)).toEqual([1, 1]);
    });

    test.each([
      ["an earlier play learns it", { facts: { key } }, "an earlier play learns key"],
      [
        "it says so itself",
        { facts: { key: { ...key, arises: true as const } } },
        "key arises during the run",
      ],
    ])("are refused to a play that does not learn them, before the first step: %s", async (_, facts, why) => {
      const forgetful = play((_, fleet) => [peers({ name: "last", value: keysOf(fleet.reached) })], "last");
      const [make, meet] = book.plays as [(typeof book.plays)[0], (typeof book.plays)[1]];
      const plays = why.startsWith("an earlier") ? [make, meet, forgetful] : [make, forgetful];
      const { hosts, outcome, events } = await runOn(["h1", "h2"], playbook(plays as never, facts));
      expect(outcome.exitCode).toBe(6);
      expect([...hosts.values()].flatMap(({ performed }) => performed)).toEqual([]);
      const errors = events.flatMap((e) => (e.type === "refused" ? [e.error] : []));
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatchObject({
        message: "play “last” uses the fact key and does not learn it",
        detail: { found: expect.stringContaining(why), expected: 'learns: ["key"] in this play' },
      });
    });

    test("are not there in a check, which says what comes first", async () => {
      const { events, host } = await runOn(["h1"], book, { check: true });
      expect(
        events.flatMap((e) => (e.type === "task" && e.state === "planned" ? (e.later ?? "") : [])),
      ).toEqual(["", "the keys are made first"]);
      expect(host.performed).toEqual([]);
    });

    test("are missing of a host that answered at first and then no more, as if it had never answered", async () => {
      const hosts = new Map(["h1", "h2"].map((name) => [name, new FakeHost()]));
      const { outcome, events } = await runOn(["h1", "h2"], book, {
        hosts,
        stopAt: (event) => {
          const lost = hosts.get("h2");
          if (event.type === "task" && event.state === "changed" && event.host === "h2" && lost)
            lost.lostAt = "cat  key";
          return false;
        },
      });
      expect(outcome.exitCode).toBe(4);
      expect(outcome.hosts.h2).toMatchObject({ unreachable: true });
      expect(hosts.get("h1")?.values.get("peers")).toBe("k-h1");
      expect(hosts.get("h2")?.values.has("peers")).toBe(false);
      expect(events.filter((e) => e.type === "unreachable")).toHaveLength(1);
    });
  });

  test("a restart that several steps ask for happens once, at the end of the play", async () => {
    const restarting = taskWith((now, { name, value: want }) =>
      now === want ? [] : [put(name, want, { causes: [restart("docker")] })],
    );
    const book = playbook([
      play(() => [restarting({ name: "a", value: "1" }), restarting({ name: "b", value: "2" })]),
    ]);
    const { host, outcome } = await runOn(["h1"], book);
    expect(host.performed).toEqual(["put a 1", "put b 2", "restart docker"]);
    expect(outcome.hosts.h1?.restarts).toBe(1);
  });

  test("what waits for a program that runs has the restarts before it done first, and the others stay at the end", async () => {
    const restarting = taskWith((now, { name, value: want }) =>
      now === want ? [] : [put(name, want, { causes: [restart(`of ${name}`)] })],
    );
    // The restart of the host in memory shows as a value of its name.
    const waiting = taskWith((now) => (now === "done" ? [] : [later("it is the old one")]), "300ms", true);
    const tasks = () => [
      restarting({ name: "a", value: "1" }),
      waiting({ name: "restart of a", value: "" }),
      restarting({ name: "b", value: "2" }),
    ];
    const { host, outcome } = await runOn(["h1"], playbook([play(tasks)]));
    expect([outcome.exitCode, outcome.hosts.h1?.restarts]).toEqual([0, 2]);
    expect(host.performed).toEqual(["put a 1", "restart of a", "put b 2", "restart of b"]);
    const again = await runOn(["h1"], playbook([play(tasks)]), { hosts: new Map([["h1", host]]) });
    expect(again.outcome.hosts.h1?.restarts).toBe(0);
  });

  test("a wait is told once for each reason, and says in the end how long it was", async () => {
    const never = taskWith((now) => (now === "1" ? [] : [later("it is not there yet")]), "500ms");
    const book = playbook([play(() => [never({ name: "a", value: "1" })])]);
    const { events } = await runOn(["h1"], book);
    expect(events.filter((e) => e.type === "task" && e.state === "waiting")).toHaveLength(1);
    const failed = events.find((e) => e.type === "failed");
    expect(failed?.type === "failed" && failed.error.detail.advice).toMatch(/it waited for 0\.5 s/);
  });

  test("a restart that the running state asks for happens although no step is missing", async () => {
    let asked = 0;
    const stubborn = taskWith(() => (asked++ === 0 ? [owed(restart("docker"), "old")] : []));
    const { host } = await runOn(["h1"], playbook([play(() => [stubborn({ name: "a", value: "1" })])]));
    expect(host.performed).toEqual(["restart docker"]);
  });

  test("a step whose effect does not show is an error that names what is missing", async () => {
    const host = new FakeHost();
    host.forgetful.add("a");
    const { outcome, events } = await runOn(
      ["h1"],
      playbook([play(() => [value({ name: "a", value: "1" })])]),
      {
        hosts: new Map([["h1", host]]),
      },
    );
    expect(outcome.exitCode).toBe(2);
    const failed = events.find((e) => e.type === "failed");
    expect(failed?.type === "failed" && failed.error).toMatchObject({
      message: expect.stringContaining("did not converge"),
      detail: { host: "h1", task: "value a", found: "a: — → 1" },
    });
  });

  test("a plan that depends on an effect goes on once that is there", async () => {
    const twoSteps = taskWith((now, { name }) =>
      now === undefined
        ? [put(name, "lease"), later("no lease yet")]
        : now === "lease"
          ? [put(name, "done")]
          : [],
    );
    const { host, events } = await runOn(
      ["h1"],
      playbook([play(() => [twoSteps({ name: "a", value: "" })])]),
    );
    expect(host.performed).toEqual(["put a lease", "put a done"]);
    expect(events.filter((e) => e.type === "failed")).toEqual([]);
    const check = await runOn(["h1"], playbook([play(() => [twoSteps({ name: "a", value: "" })])]), {
      check: true,
    });
    expect(check.host.performed).toEqual([]);
    expect(check.events.find((e) => e.type === "task" && e.state === "planned")).toMatchObject({
      later: "no lease yet",
    });
  });

  test("Ctrl-C ends a wait for what settles", async () => {
    const never = taskWith((now) => (now === "1" ? [] : [later("it is not there yet")]), "60s");
    const book = playbook([play(() => [never({ name: "a", value: "1" })])]);
    const { outcome } = await runOn(["h1"], book, {
      stopAt: (e) => e.type === "task" && e.state === "waiting",
    });
    expect(outcome.exitCode).toBe(130);
  });

  test("a run that only restarts ends in the journal, too", async () => {
    const restarted = taskWith((now) =>
      now === "done" ? [] : [owed(restart("x"), "it runs with old settings")],
    );
    const { host, outcome } = await runOn(
      ["h1"],
      playbook([play(() => [restarted({ name: "restart x", value: "" })])]),
    );
    expect(outcome).toMatchObject({ exitCode: 0, hosts: { h1: { restarts: 1, steps: 0 } } });
    expect(host.ends).toEqual(["done"]);
  });

  test("a step that fails owes no restart; one that was done before it does", async () => {
    const steps = (names: string[]) =>
      taskWith(() =>
        names.map((name) => ({ ...put(name, "1", { causes: [restart(name)] }), ...failing(name) })),
      );
    const failing = (name: string) => (name === "bad" ? { perform: rawScript("fail bad") } : {});
    const owing = async (names: string[]) => {
      const { outcome } = await runOn(
        ["h1"],
        playbook([play(() => [steps(names)({ name: "x", value: "" })])]),
        {
          hosts: new Map([["h1", new FakeHost()]]),
        },
      );
      return outcome.hosts.h1?.owed;
    };
    expect(await owing(["bad"])).toEqual([]);
    expect(await owing(["good", "bad"])).toEqual(["restart good"]);
  });

  test("containers that end with Docker are the operator's to give, before the first step anywhere", async () => {
    const line = `runs ${JSON.stringify({ id: "1", name: "/web", running: true, policy: "no", networks: ["n1"] })}`;
    const busy = Object.assign(new FakeHost(), {
      says: (script: string) =>
        script.endsWith("cw_tell_running docker")
          ? `ends docker\n${line}\n`
          : script.includes("docker ps -a")
            ? "running 20.10.5\n--\n1 running web n1\n"
            : undefined,
    });
    const hosts = new Map([
      ["h1", new FakeHost()],
      ["h2", busy],
    ]);
    const restarting = taskWith((now) =>
      now === "1" ? [] : [put("a", "1", { causes: [restart("docker")] })],
    );
    const book = playbook([play(() => [restarting({ name: "a", value: "1" })])]);
    const { outcome } = await runOn(["h1", "h2"], book, { hosts });
    expect(outcome.exitCode).toBe(2);
    expect(
      outcome.refused.map(({ message, detail }) => `${detail.host}: ${message}, ${detail.found}`),
    ).toEqual([
      "h2: this run restarts or stops Docker, and with it running containers, 1 container; not back: web (n1, restart policy no)\nbecause of a",
    ]);
    expect([...hosts.values()].flatMap(({ performed }) => performed)).toEqual([]);

    const leave = { extraVars: new Map([["interrupt_containers", { value: true }]]) };
    const check = await runOn(["h1", "h2"], book, { hosts, check: true, ...leave });
    expect(check.events.flatMap((e) => (e.type === "containers" ? [`${e.host} ${e.state}`] : []))).toEqual([
      "h2 planned",
    ]);
    expect((await runOn(["h1", "h2"], book, { hosts, ...leave })).outcome.exitCode).toBe(0);
    expect(busy.performed).toEqual(["put a 1", "restart docker"]);
  });

  test("a file that cannot be sent owes no restart: nothing ran", async () => {
    const sent = taskWith(() => [
      { ...put("a", "1", { causes: [restart("docker")] }), push: { from: "/dev/null", to: "/sent-ahead" } },
    ]);
    const hosts = new Map([["h1", Object.assign(new FakeHost(), { lostAt: "/sent-ahead" })]]);
    const { outcome } = await runOn(["h1"], playbook([play(() => [sent({ name: "a", value: "1" })])]), {
      hosts,
    });
    expect(outcome).toMatchObject({ exitCode: 2, hosts: { h1: { failed: 1, owed: [] } } });
  });

  test("a secret in a read is in no event, also with -v, and not in the error of one that fails", async () => {
    const asks = defineTask({
      name: "asks",
      summary: "x",
      params: Type.Object({}),
      key: () => "k",
      read: (host) => host.read(sh`cat ${new Secret("it's hunter22")}`),
      present: () => [],
    });
    const { events } = await runOn(["h1"], playbook([play(() => [asks({})])]), { verbose: true });
    const commands = events.filter((e) => e.type === "command").map((e) => e.command);
    expect(commands).toContain("cat '********'");
    expect(JSON.stringify(events)).not.toContain("hunter22");
  });

  test("what settles is read again until it shows; the last reason is the error", async () => {
    let reads = 0;
    const patient = taskWith(() => (++reads < 5 ? [later(`read ${reads}`)] : []), "5s");
    const { outcome } = await runOn(["h1"], playbook([play(() => [patient({ name: "a", value: "" })])]));
    expect(outcome.exitCode).toBe(0);
    const never = taskWith(() => [later("no leader")], "200ms");
    const lost = await runOn(["h1"], playbook([play(() => [never({ name: "a", value: "" })])]));
    expect(lost.outcome.exitCode).toBe(2);
    const failed = lost.events.find((e) => e.type === "failed");
    expect(failed?.type === "failed" && failed.error.detail.found).toBe("no leader");
  });
});

describe("over the fleet", () => {
  test("plays are barriers; a failed host stops alone and keeps its error", async () => {
    const order: string[] = [];
    const failing = taskWith((_now, { name }) => [{ ...put(name, "1"), perform: rawScript("fail") }]);
    const book = playbook([
      play((host) => [
        host.name === "h2" ? failing({ name: "a", value: "1" }) : value({ name: "a", value: "1" }),
      ]),
      play((host) => {
        order.push(host.name);
        return [value({ name: "b", value: "1" })];
      }, "second"),
    ]);
    const { outcome, hosts, events } = await runOn(["h1", "h2", "h3"], book);
    expect(outcome).toMatchObject({ exitCode: 2, retry: ["h2"] });
    expect(hosts.get("h1")?.performed).toEqual(["put a 1", "put b 1"]);
    expect(hosts.get("h2")?.performed).toEqual([]);
    const failed = events.find((e) => e.type === "failed");
    expect(failed?.type === "failed" && failed.error.detail).toMatchObject({
      host: "h2",
      task: "value a",
      output: "it broke",
    });
  });

  const picky = taskWith((now, { name }) => {
    if (now === "bad") throw new CausewayError("host", "it is bad", { found: name });
    return now === "1" ? [] : [put(name, "1")];
  });
  const adds = play(() => [value({ name: "a", value: "1" })], "adds");
  const interrupts = play(() => [picky({ name: "b", value: "1" })], "interrupts");

  test.each([false, true])(
    "what one host refuses in a later play is told before the first step anywhere (check: %s)",
    async (check) => {
      const hosts = new Map(["h1", "h2"].map((n) => [n, new FakeHost()]));
      hosts.get("h2")?.values.set("b", "bad");
      const again = { ...interrupts, title: "and again" };
      const { outcome, events } = await runOn(["h1", "h2"], playbook([adds, interrupts, again]), {
        hosts,
        check,
      });
      expect(outcome.refused.map(({ message, detail }) => [message, detail.host, detail.task])).toEqual([
        ["it is bad", "h2", "value b"],
      ]);
      expect(outcome).toMatchObject({ exitCode: 2, retry: ["h1", "h2"] });
      expect(events.flatMap((e) => (e.type === "message" ? [e.text] : []))).toEqual([
        "no host is changed, because of h2; to go on without: --limit '!h2'",
      ]);
      expect([...hosts.values()].flatMap((host) => host.performed)).toEqual([]);
    },
  );

  /** Another playbook holds what this one takes over; its one step changed the file x. */
  const heldBy = (host: FakeHost) => {
    const run = { id: "r1", playbook: "old", owns: "it", started: "", user: "", machine: "", hosts: [] };
    const entry = { run: "r1", n: "0001", owner: "old", task: "t", key: "k", scope: "host", play: 0 };
    const did = {
      kind: "run",
      resource: "run x",
      what: "x",
      from: null,
      to: "1",
      causes: [restart("docker")],
    };
    host.journal = [
      "format 2",
      "head r1 0001",
      `runs/r1/run.json:${JSON.stringify(run)}`,
      `runs/r1/0001.json:${JSON.stringify({ ...entry, ...did })}`,
      "mark runs/r1/0001.done",
    ].join("\n");
    return host;
  };
  const refusing = (restsOn: string[]) =>
    taskWith(() => {
      throw new CausewayError("host", "it is in the way", { restsOn });
    })({ name: "a", value: "1" });

  test.each<[string, string[], number]>([
    ["which says nothing of what it rests on, stays", [], 2],
    ["about something else stays", ["unit:consul.service"], 2],
    ["about what the undo changes may go with it", ["unit:docker.service"], 0],
  ])("in a switch, before the undo of anything, a refusal %s", async (_, restsOn, exitCode) => {
    const hosts = new Map(["h1", "h2"].map((n) => [n, heldBy(new FakeHost())]));
    const book = playbook([play((host) => (host.name === "h2" ? [refusing(restsOn)] : []))], { owns: "it" });
    const check = await runOn(["h1", "h2"], book, { hosts, check: true });
    expect(check.outcome.exitCode).toBe(exitCode);
    if (exitCode === 0) return;
    const { outcome } = await runOn(["h1", "h2"], book, { hosts });
    expect(outcome.refused.map(({ message, detail }) => [detail.host, message])).toEqual([
      ["h2", "it is in the way"],
    ]);
    expect([...hosts.values()].flatMap((host) => host.scripts)).toEqual([]);
  });

  test("a switch waits for all its hosts; one that is left out is no reason", async () => {
    const hosts = new Map([["h1", heldBy(new FakeHost())]]);
    const book = playbook([play(() => [])], { owns: "it" });
    const lost = await runOn(["h1", "h2"], book, { hosts });
    expect(lost.outcome.refused.map(({ message, detail }) => [message, detail.found])).toEqual([
      ["old cannot be undone on hosts that do not answer", "h2"],
    ]);
    expect(lost.outcome.exitCode).toBe(4);
    const without = await runOn(["h1", "h2"], book, { hosts, check: true, limit: "!h2" });
    expect(without.outcome.exitCode).toBe(0);
  });

  test("what is wrong on this machine is a refusal, also where a host cannot be looked at without it", async () => {
    const needsFile = defineTask({
      name: "needs-file",
      summary: "x",
      params: Type.Object({}),
      key: () => "k",
      read: async () => {
        throw new CausewayError("variables", "no such file");
      },
      present: () => [],
    });
    const { outcome, host } = await runOn(["h1"], playbook([adds, play(() => [needsFile({})])]));
    expect([outcome.exitCode, host.performed]).toEqual([6, []]);
  });

  test("what cannot be looked at yet is no refusal: an earlier play may bring it", async () => {
    const needsStore = defineTask({
      name: "needs-store",
      summary: "x",
      params: Type.Object({}),
      key: () => "k",
      read: async (host) => {
        const { code } = await host.read(rawScript("cat a"), { looksAt: ["value:a"] });
        if (code !== 0) throw new CausewayError("host", "the store does not answer");
      },
      present: () => [],
    });
    const { outcome, host } = await runOn(["h1"], playbook([adds, play(() => [needsStore({})])]));
    expect([outcome.exitCode, host.performed]).toEqual([0, ["put a 1"]]);
  });

  test("an unreachable host is exit 4, and wins over a failed one", async () => {
    const failing = taskWith((_now, { name }) => [{ ...put(name, "1"), perform: rawScript("fail") }]);
    const { outcome } = await runOn(
      ["h1", "h2"],
      playbook([play(() => [failing({ name: "a", value: "1" })])]),
      {
        hosts: new Map([["h1", new FakeHost()]]),
      },
    );
    expect(outcome).toMatchObject({ exitCode: 4, retry: ["h1", "h2"] });
  });

  test("facts are read in the first trip and typed on the host; a refusal leaves all hosts alone", async () => {
    const color = defineFact({
      name: "color",
      read: async (h) => (await h.read(rawScript("cat color"))).stdout,
    });
    const hosts = new Map(["h1", "h2"].map((n) => [n, new FakeHost()]));
    for (const [name, host] of hosts) host.values.set("color", name === "h1" ? "red" : "blue");
    const book = definePlaybook({
      name: "test",
      summary: "x",
      vars: Type.Object({}),
      facts: { color },
      plays: [{ title: "p", hosts: "all", tasks: (h) => [value({ name: "seen", value: h.facts.color })] }],
    });
    const { outcome } = await runOn(["h1", "h2"], book as unknown as Playbook, { hosts });
    expect(outcome.exitCode).toBe(0);
    expect(hosts.get("h2")?.values.get("seen")).toBe("blue");
    const refusing = {
      ...book,
      preflight: (fleet: { reached: readonly { name: string; facts: { color: string } }[] }) =>
        fleet.reached
          .filter((h) => h.facts.color === "red")
          .map((h) => new CausewayError("host", "too red", { host: h.name })),
    };
    const fresh = new Map(["h1", "h2"].map((n) => [n, new FakeHost()]));
    fresh.get("h1")?.values.set("color", "red");
    const refused = await runOn(["h1", "h2"], refusing as unknown as Playbook, { hosts: fresh });
    expect(refused.outcome.refused.map((e) => e.message)).toEqual(["too red"]);
    expect(refused.outcome.exitCode).toBe(2);
    expect([...fresh.values()].flatMap((h) => h.performed)).toEqual([]);
    // A host that is unreachable wins over a refusal, too.
    const lost = await runOn(["h1", "h3"], refusing as unknown as Playbook, { hosts: fresh });
    expect(lost.outcome.exitCode).toBe(4);
    expect(lost.outcome.refused).toHaveLength(1);
  });

  test("a fact may look at what stands on the host, and a remark is said and stops nothing", async () => {
    const host = new FakeHost();
    const entry = {
      run: "R",
      n: "0001",
      owner: "other",
      task: "t",
      key: "k",
      play: 0,
      kind: "run",
      what: "it",
      causes: [],
    };
    host.journal = [
      "format 1",
      `runs/R/run.json:${JSON.stringify({ id: "R", playbook: "other" })}`,
      `runs/R/0001.json:${JSON.stringify(entry)}`,
      `runs/R/0002.json:${JSON.stringify({ ...entry, n: "0002", what: "gone" })}`,
      "mark runs/R/0001.done",
      "mark runs/R/0002.undone",
    ].join("\n");
    const book = definePlaybook({
      name: "test",
      summary: "x",
      vars: Type.Object({}),
      facts: { owners: defineFact({ name: "owners", read: async (_, { standing }) => standing }) },
      remarks: (fleet) =>
        fleet.reached.map((h) => ({ host: h.name, text: h.facts.owners.map((e) => e.what).join() })),
      plays: [{ title: "p", hosts: "all", tasks: () => [value({ name: "a", value: "1" })] }],
    });
    const { events, hosts } = await runOn(["h1"], book as unknown as Playbook, {
      hosts: new Map([["h1", host]]),
    });
    expect(events.filter((e) => e.type === "message")).toMatchObject([
      { level: "warning", host: "h1", text: "it" },
    ]);
    expect(hosts.get("h1")?.performed).toEqual(["put a 1"]);
  });

  test("a fact may depend on the host's variables", async () => {
    const book = definePlaybook({
      name: "test",
      summary: "x",
      vars: Type.Object({ which: Type.String({ default: "color" }) }),
      facts: {
        seen: defineFact({
          name: "seen",
          read: async (host, { vars }: { vars: { which: string } }) =>
            (await host.read(rawScript(`cat ${vars.which}`), { looksAt: [] })).stdout,
        }),
      },
      plays: [{ title: "Set", hosts: "all", tasks: (h) => [value({ name: "seen", value: h.facts.seen })] }],
    });
    const hosts = new Map([["h1", new FakeHost()]]);
    hosts.get("h1")?.values.set("color", "blue");
    await runOn(["h1"], book as unknown as Playbook, { hosts });
    expect(hosts.get("h1")?.values.get("seen")).toBe("blue");
  });

  test("a limit leaves the others alone, but they are still peers", async () => {
    const book = playbook([
      play((host, fleet) => [
        value({
          name: "peers",
          value: fleet
            .peersOf(host)
            .map((p) => p.name)
            .join("+"),
        }),
      ]),
    ]);
    const { hosts } = await runOn(["h1", "h2", "h3"], book, { limit: "h2" });
    expect(hosts.get("h2")?.performed).toEqual(["put peers h1+h3"]);
    expect(hosts.get("h1")?.performed).toEqual([]);
  });

  test("a play that is done once is done on its first host", async () => {
    const { hosts } = await runOn(
      ["h1", "h2"],
      playbook([{ ...play(() => [value({ name: "a", value: "1" })]), runOnce: true }]),
    );
    expect([hosts.get("h1")?.performed.length, hosts.get("h2")?.performed.length]).toEqual([1, 0]);
  });

  const nothingHere = "nothing of that run is on the hosts that could be asked: nothing is undone";
  const shared = taskWith((now, { value: want }) => (now === want ? [] : [put("shared", want)]));
  const entryOf = (task: string, key: string, scope?: string) =>
    [
      "format 1",
      "head r1 0001",
      'runs/r1/run.json:{"id":"r1","playbook":"test","owns":null,"started":"","user":"","machine":"","hosts":[]}',
      `runs/r1/0001.json:${JSON.stringify({ run: "r1", n: "0001", owner: "test", task, key, play: 0, kind: "run", what: key, from: null, to: "1", causes: [], scope })}`,
      "mark runs/r1/0001.done",
    ].join("\n");

  test.each([
    ["is locked", "holder ops in run r9", {}, 2, []],
    ["cannot be reached", undefined, {}, 4, []],
    ["is locked, and another has nothing of it", "holder ops in run r9", { h2: "" }, 2, [nothingHere]],
    [
      "is locked, and another has nothing of that play",
      "holder ops in run r9",
      { h2: entryOf("value", "key") },
      2,
      [nothingHere],
    ],
  ] as const)(
    "a rollback to a run, where the host that may have it %s, says that of the host, and not that the run is nowhere",
    async (_, said, others, exitCode, warned) => {
      const journals = Object.entries({ ...(said === undefined ? {} : { h1: said }), ...others });
      const hosts = new Map(
        journals.map(([name, journal]) => [name, Object.assign(new FakeHost(), { journal })]),
      );
      const book = playbook([], { hosts: "all", undoes: { since: "r1", play: 1 } });
      const { outcome, events } = await runOn(["h1", ...Object.keys(others)], book, { hosts });
      expect(outcome).toMatchObject({ exitCode, retry: ["h1"] });
      expect(events.flatMap((e) => (e.type === "message" ? [e.text] : []))).toEqual(warned);
      expect([...hosts.values()].flatMap(({ scripts }) => scripts)).toEqual([]);
    },
  );

  test("a rollback of the last run guesses none where a host does not answer: it names the run, and the hosts", async () => {
    const hosts = new Map([["h1", Object.assign(new FakeHost(), { journal: entryOf("value", "key") })]]);
    const book = playbook([], { hosts: "all", undoes: "last" });
    const { outcome } = await runOn(["h1", "h2"], book, { hosts });
    expect(outcome).toMatchObject({ exitCode: 4, retry: ["h2"] });
    expect(outcome.refused.map(({ message, detail }) => [message, detail.found, detail.advice])).toEqual([
      [
        "nothing was undone: which run is the last one is not known",
        "no journal from h2; the last run on the others is r1",
        "that run, where it can be undone: run rollback r1\nthe last run of some hosts: run rollback -l h1",
      ],
    ]);
    expect([...hosts.values()].flatMap(({ scripts }) => scripts)).toEqual([]);
    // One that was reached, and that another run has, failed.
    const held = new Map([
      ...hosts,
      ["h2", Object.assign(new FakeHost(), { journal: "holder ops in run r9" })],
    ]);
    expect((await runOn(["h1", "h2"], book, { hosts: held })).outcome).toMatchObject({
      exitCode: 2,
      retry: ["h2"],
    });
    const without = await runOn(["h1", "h2"], book, { hosts, limit: "h1", check: true });
    expect(without.outcome).toMatchObject({ exitCode: 0, refused: [] });
  });

  test("a host's own of the same name goes, although another host does the fleet's", async () => {
    const hosts = new Map(["h2", "h1"].map((name) => [name, new FakeHost()]));
    for (const host of hosts.values()) host.values.set("key", "1");
    const did = hosts.get("h1") as FakeHost;
    did.journal = entryOf("value", "key", "host");
    const once = playbook([{ ...play(() => [value({ name: "key", value: "1" })]), runOnce: true }]);
    const { outcome } = await runOn(["h2", "h1"], once, { hosts, check: true });
    expect(outcome.hosts.h1).toMatchObject({ changed: 1, steps: 1 });
  });

  test.each([
    ["a play that is run once", { runOnce: true }, value({ name: "key", value: "1" })],
    ["a task that says so", {}, { ...shared({ name: "key", value: "1" }), scope: "fleet" as const }],
  ])(
    "what is the fleet's stays on the host that did it when another plans it now: %s",
    async (_, more, task) => {
      const hosts = new Map(["h2", "h1"].map((name) => [name, new FakeHost()]));
      for (const host of hosts.values()) host.values.set("key", "1");
      const did = hosts.get("h1") as FakeHost;
      did.journal = entryOf("value", "key");
      const on = (host: { name: string }) => ("runOnce" in more || host.name === "h2" ? [task] : []);
      const planned = await runOn(["h2", "h1"], playbook([{ ...play(on), ...more }]), { hosts, check: true });
      expect(planned.outcome.hosts.h1).toMatchObject({ changed: 0, steps: 0 });
      // What no host plans any more goes, whoever did it.
      const gone = await runOn(["h2", "h1"], playbook([play(() => [])]), { hosts, check: true });
      expect(gone.outcome.hosts.h1).toMatchObject({ changed: 1, steps: 1 });
    },
  );

  test("a connection that is lost at the very end is that host's failure, and the others have their recap", async () => {
    const hosts = new Map(["h1", "h2"].map((n) => [n, new FakeHost()]));
    for (const host of hosts.values()) {
      host.journal = entryOf("value", "key").replace("0001.done", "0001.begun");
      host.values.set("key", "1");
    }
    Object.assign(hosts.get("h1") as FakeHost, { lostAt: "cw_finish " });
    const book = playbook([play(() => [value({ name: "key", value: "1" })])]);
    const { outcome, events } = await runOn(["h1", "h2"], book, { hosts });
    expect(outcome).toMatchObject({
      exitCode: 4,
      hosts: { h1: { unreachable: true }, h2: { ok: 1, failed: 0 } },
    });
    expect(events.some((e) => e.type === "recap")).toBe(true);
  });

  test.each([
    ["this playbook", { playbook: "test" }, {}, "a run without --check completes or undoes it"],
    ["another that owns the same", { owns: "it" }, {}, "a run without --check completes or undoes it"],
    ["this playbook", { playbook: "test" }, { check: false }, "this run completes or undoes it"],
    [
      "this playbook, in a run of some hosts",
      { playbook: "test" },
      { check: false, limit: "h1" },
      "this run completes what it still plans of it; a run of test over all hosts undoes the rest",
    ],
    [
      "another",
      {},
      {},
      "this run leaves it as it is; to complete it: the playbook other, once more; to undo it and what came after: run rollback r1",
    ],
  ])("what a run of %s left unfinished is told, and who completes it", async (_, run, over, words) => {
    const host = new FakeHost();
    host.journal = entryOf("t", "key")
      .replace("0001.done", "0001.begun")
      .replace(
        /run.json:.*/,
        `run.json:${JSON.stringify({ id: "r1", playbook: "other", owns: null, hosts: [], ...run })}`,
      );
    const book = { ...playbook([play(() => [])]), owns: "it" };
    const hosts = new Map([
      ["h1", host],
      ["h2", new FakeHost()],
    ]);
    const { events } = await runOn(["h1", "h2"], book, { hosts, check: true, ...over });
    const texts = events.filter((e) => e.type === "message").map((e) => e.text);
    expect(texts[0]).toBe(`run r1 left unfinished: key; ${words}`);
  });

  test("somebody else's lock is named before anything is planned", async () => {
    const host = new FakeHost();
    host.journal = "format 1\nholder eve@laptop since noon in run X";
    const { outcome, events } = await runOn(
      ["h1"],
      playbook([play(() => [value({ name: "a", value: "1" })])]),
      {
        hosts: new Map([["h1", host]]),
      },
    );
    expect(outcome.exitCode).toBe(2);
    const failed = events.find((e) => e.type === "failed");
    expect(failed?.type === "failed" && failed.error.detail.found).toContain("eve@laptop");
    expect(host.performed).toEqual([]);
  });
});
