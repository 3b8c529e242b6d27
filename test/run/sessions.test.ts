import { expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import type { Connect } from "../../src/host/session.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { definePlaybook } from "../../src/playbook/define.ts";
import { readHistory } from "../../src/run/history.ts";
import { run } from "../../src/run/run.ts";
import { defineTask } from "../../src/task/define.ts";

const session = { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 1000 } as const;

/** Connects to hosts whose names say what becomes of them, and counts the sessions that are open. */
function counting() {
  let open = 0;
  const connect: Connect = async ({ name }) => {
    if (name === "bug") throw new TypeError("not foreseen");
    open += 1;
    return {
      name,
      run: async () => {
        if (name === "failing") throw new CausewayError("host", "a command did not end within 1 s");
        if (name === "broken") throw new TypeError("not foreseen");
        return { stdout: "", stderr: "", code: 0 };
      },
      push: async () => {},
      beside: async () => 0,
      through: [],
      accompany: () => Promise.reject(new Error("nothing runs beside the shell")),
      close: async () => {
        open -= 1;
      },
      stats: { roundTrips: 0, commands: 0, connectMs: 0 },
    };
  };
  return { connect, open: () => open };
}

test.each([
  ["nothing", "one,two", { lost: 0 }],
  ["a read that fails", "one,failing", { lost: 1 }],
  ["what nobody foresaw", "one,broken", "not foreseen"],
])("history leaves no session open after %s", async (_name, hosts, expected) => {
  const { connect, open } = counting();
  const inventory = await loadInventory([hosts]);
  const outcome = await readHistory({ inventory, session, connect, forks: 8 }).then(
    ({ lost }) => ({ lost: lost.length }),
    (error: Error) => error.message,
  );
  expect(outcome).toEqual(expected);
  expect(open()).toBe(0);
});

test.each([
  ["did a step, of which nothing stands", "", "rolled back"],
  ["did no step, but a restart", "mark R1/stepless\n", "done"],
])("a run among the old ones that %s", async (_, mark, state) => {
  const record = {
    id: "R1",
    playbook: "web",
    owns: null,
    started: "",
    user: "",
    machine: "",
    hosts: ["one"],
  };
  const { connect } = counting();
  const old: Connect = async (...given) => ({
    ...(await connect(...given)),
    run: async (script) => ({
      stdout: String(script).includes("/old")
        ? `R1/run.json:${JSON.stringify(record)}\nR1/end:done\n${mark}`
        : "",
      stderr: "",
      code: 0,
    }),
  });
  const inventory = await loadInventory(["one,"]);
  const { runs } = await readHistory({ inventory, session, connect: old, forks: 1 });
  expect(runs.map((one) => one.state)).toEqual([state]);
});

test.each([["failing"], ["broken"], ["bug"]])("nor does a run that meets %s", async (host) => {
  const { connect, open } = counting();
  const look = defineTask({
    name: "look",
    summary: "x",
    params: Type.Object({}),
    key: () => "k",
    read: (reader) => reader.routes(),
    present: () => [],
  });
  const playbook = definePlaybook({
    name: "test",
    summary: "x",
    vars: Type.Object({}),
    plays: [{ title: "play", hosts: "all", tasks: () => [look({})] }],
  });
  const ended = run({
    playbook,
    inventory: await loadInventory([`one,${host},two`]),
    extraVars: new Map(),
    check: false,
    verify: false,
    forks: 8,
    session,
    connect,
    reporter: { event: () => {}, close: async () => {} },
    interrupted: new AbortController().signal,
    breakLock: false,
    verbose: false,
  });
  await ended.catch((error: Error) => expect(error.message).toBe("not foreseen"));
  expect(open()).toBe(0);
});
