import { describe, expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { rawScript, Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { definePlaybook, type Playbook } from "../../src/playbook/define.ts";
import { plainEvent } from "../../src/report/json.ts";
import { junitReport } from "../../src/report/junit.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { run } from "../../src/run/run.ts";
import { defineTask } from "../../src/task/define.ts";
import { FakeHost, plainly, put } from "../run/fake-host.ts";
import { checked } from "./events.ts";
import { began, ended, unreachable } from "./fleet.ts";
import { matrixOf, wholeRun } from "./whole-run.ts";

interface Element {
  name: string;
  attributes: Readonly<Record<string, string>>;
  children: Element[];
  text: string;
}

/** Takes apart what is well-formed, and throws at what is not. */
function parse(xml: string): Element {
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const tokens = /<\?.*?\?>|<!--.*?-->|<(\/?)([\w-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  let at = 0;
  for (const match of xml.matchAll(tokens)) {
    const [all, closes, name, attributes = "", isEmpty, text] = match;
    at += all.length;
    const last = open.at(-1) ?? root;
    if (text !== undefined) last.text += plain(text);
    else if (closes) expect(open.pop()?.name).toBe(name);
    else if (name !== undefined) {
      const pairs = [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [
        key,
        plain(value),
      ]);
      const element = { name, attributes: Object.fromEntries(pairs), children: [], text: "" };
      last.children.push(element);
      if (!isEmpty) open.push(element);
    }
  }
  expect([at, open.length]).toEqual([xml.length, 1]);
  return root.children[0] ?? root;
}

function plain(text: string): string {
  expect(text).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)|[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/);
  const entities = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" } as Record<string, string>;
  return text.replaceAll(/&([^;]+);/g, (_, name) => entities[name] ?? "");
}

/** Ant's form, as windyroad/JUnit-Schema has it: each element's attributes, all needed, and its children in their order. */
const forms: Readonly<Record<string, { attributes: readonly string[]; children: RegExp }>> = {
  testsuites: { attributes: [], children: /^(testsuite )*$/ },
  testsuite: {
    attributes: [
      "id",
      "package",
      "name",
      "hostname",
      "timestamp",
      "tests",
      "failures",
      "errors",
      "skipped",
      "time",
    ],
    children: /^properties (testcase )*system-out system-err $/,
  },
  testcase: { attributes: ["classname", "name", "time"], children: /^((skipped|error|failure) )?$/ },
  properties: { attributes: [], children: /^$/ },
  "system-out": { attributes: [], children: /^$/ },
  "system-err": { attributes: [], children: /^$/ },
  skipped: { attributes: ["message"], children: /^$/ },
  error: { attributes: ["type", "message"], children: /^$/ },
  failure: { attributes: ["type", "message"], children: /^$/ },
};

function expectForm({ name, attributes, children }: Element): void {
  expect(Object.keys(attributes), name).toEqual(forms[name]?.attributes);
  expect(children.map((child) => `${child.name} `).join(""), name).toMatch(forms[name]?.children ?? /^ $/);
  if (name === "testsuite") {
    expect(attributes.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    const cases = children.filter((child) => child.name === "testcase");
    const number = (as: string) =>
      cases.filter((one) => one.children.some((child) => child.name === as)).length;
    expect(
      [attributes.tests, attributes.failures, attributes.errors, attributes.skipped].map(Number),
    ).toEqual([cases.length, number("failure"), number("error"), number("skipped")]);
  }
  // What the form calls a token is not empty.
  expect([attributes.name, attributes.hostname, attributes.classname]).not.toContain("");
  if ("time" in attributes) expect(attributes.time).toMatch(/^\d+\.\d{3}$/);
  for (const child of children) expectForm(child);
}

function suitesOf(events: readonly RunEvent[]) {
  const data = events.map((event) => plainEvent(event, true));
  const document = parse(junitReport.render(data, new Date("2025-03-04T10:15:00Z")));
  expectForm(document);
  return document.children;
}

/** `name: case outcome`, of each case that has one, or passed. */
const told = (suites: readonly Element[]) =>
  suites.map(({ attributes: { name }, children }) => [
    name,
    ...children
      .filter((child) => child.name === "testcase")
      .map(({ attributes, children: [fault] }) => `${attributes.name} ${fault?.name ?? "passed"}`),
  ]);

describe("--junit", () => {
  test("has a suite for each host and each proof, with whole errors", () => {
    const suites = suitesOf(wholeRun(3, { failing: true }));
    const [whole, ...hosts] = told(suites);
    expect(whole).toEqual([
      "static-route as a whole",
      "the run comes to its end passed",
      "web1 → web2 failure",
      "web2 → web3 passed",
      "web3 → web1 passed",
    ]);
    expect(hosts.slice(0, 2)).toEqual([
      ["web1", "connection passed", "static-route peers passed", "docker-bip docker0 passed"],
      ["web2", "connection passed", "static-route peers passed", "docker-bip docker0 failure"],
    ]);
    expect(hosts.at(-1)).toEqual([
      "ping-check",
      ...["web1 → web2 failure", "web1 → web3 passed", "web2 → web1 failure"],
      ...["web2 → web3 failure", "web3 → web1 passed", "web3 → web2 failure"],
    ]);
    const failure = suites[2]?.children
      .flatMap(({ children }) => children)
      .find(({ name }) => name === "failure");
    expect(failure?.attributes).toEqual({ type: "host", message: "restart docker failed" });
    expect(failure?.text).toMatch(/command {3}systemctl restart docker\n {2}output {4}<script>/);
  });

  test("says of a check what would change, and of a host that was not reached so", () => {
    const suites = suitesOf([
      began(["docker-200", "web1"], true),
      unreachable("web1", "10.0.0.1"),
      ...checked,
      ended(["docker-200", "web1"], () => ({}), { check: true }),
    ]);
    expect(told(suites).slice(1)).toEqual([
      ["docker-200", "connection passed", "docker-bip docker0 skipped"],
      ["web1", "connection error"],
    ]);
  });

  test("blames a run for the proof at which it stopped, and for none that it went on from", () => {
    const probe = { type: "probe", name: "ping-check", stage: "gate", state: "failed" } as const;
    const gates = [2000, 3000].map((at): RunEvent => ({ at, ...probe, matrix: matrixOf(["a", "b"], "a") }));
    expect(told(suitesOf([began(["a", "b"]), ...gates, ended(["a", "b"])])).slice(-2)).toEqual([
      ["ping-check (gate)", "a → b skipped", "b → a skipped"],
      ["ping-check (gate)", "a → b failure", "b → a failure"],
    ]);
  });

  test("says of a run that was cut off that it was", () => {
    expect(told(suitesOf(wholeRun(3).slice(0, 22)))[0]?.[1]).toBe("the run comes to its end error");
  });
});

describe("--junit of a real run", () => {
  const value = defineTask({
    name: "value",
    summary: "sets a value",
    params: Type.Object({ name: Type.String() }),
    key: ({ name }) => name,
    read: async (host, { name }) =>
      (await host.read(rawScript(`cat ${name}`), { looksAt: [`value:${name}`] })).stdout,
    present: (now, { name }) => (now === "1" ? [] : [put(name, "1")]),
  });

  /** Two hosts, of which the first fails at these values. */
  async function suitesOfRun(failing: readonly string[], rescues: boolean) {
    const hosts = new Map(["h1", "h2"].map((name) => [name, new FakeHost()]));
    for (const name of failing) hosts.get("h1")?.failing.set(name, 9);
    const events: RunEvent[] = [];
    const play = {
      title: "Be well",
      hosts: "all",
      tasks: () => ["a", "b", "c"].map((name) => value({ name })),
      ...(rescues ? { rescue: () => [value({ name: "instead" })] } : {}),
    };
    const book = definePlaybook({ name: "test", summary: "x", vars: Type.Object({}), plays: [] });
    await run({
      ...plainly(hosts, events),
      playbook: { ...book, plays: [play] } as Playbook,
      inventory: await loadInventory(["h1,h2,"]),
      forks: 2,
    });
    return suitesOf(events);
  }

  const messages = (suites: readonly Element[]) =>
    suites[1]?.children.flatMap(({ children: [fault] }) => fault?.attributes.message ?? []);

  test("blames the task that failed, and no other whose steps went with its own", async () => {
    const suites = await suitesOfRun(["b"], false);
    expect(told(suites).slice(1)).toEqual([
      ["h1", "connection passed", "value a skipped", "value b failure", "value c skipped"],
      ["h2", "connection passed", "value a passed", "value b passed", "value c passed"],
    ]);
    expect(messages(suites)).toEqual([
      "it did not come to its end",
      "b failed with code 9",
      "it did not come to its end",
    ]);
  });

  test("of a play that was rescued fails nothing, and says so", async () => {
    const suites = await suitesOfRun(["b"], true);
    expect(told(suites)[1]).toEqual([
      "h1",
      "connection passed",
      ...["value a skipped", "value b skipped", "value c skipped"],
      "value instead passed",
    ]);
    expect(messages(suites)).toEqual(Array(3).fill("its play's rescue was done instead"));
  });

  test("of a rescue that fails, too, has both failures, each at its own task", async () => {
    const suites = await suitesOfRun(["b", "instead"], true);
    expect(told(suites)[1]).toEqual([
      "h1",
      "connection passed",
      ...["value a skipped", "value b failure", "value c skipped"],
      "value instead failure",
    ]);
  });
});

test("a file of --junit holds whatever a host may say", () => {
  const words = `<&"'> \x00\x07\x1b[31m\ud800\ufffe]]> 容器\r\n\tend`;
  const error = new CausewayError("host", words, {
    host: "web1",
    task: words,
    output: words,
    command: words,
  });
  const about = { at: 1, host: "web1", play: words, task: words, key: "" } as const;
  const suites = suitesOf([
    { ...began(["web1"]), playbook: words } as RunEvent,
    { ...about, type: "task", state: "performing" },
    { at: 2, type: "failed", host: "web1", error },
    ended(["web1"], () => ({ failed: 1 }), { exitCode: 2 }),
  ]);
  const [fault] = suites[1]?.children.flatMap(({ children }) => children) ?? [];
  expect(fault?.name).toBe("failure");
  expect(fault?.attributes.message).toMatch(/^<&"'> \\x00\\x07.*\]\]> 容器 end$/);
});
