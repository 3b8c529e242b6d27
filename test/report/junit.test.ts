import { describe, expect, test } from "vitest";
import { plainEvent } from "../../src/report/json.ts";
import { junitReport } from "../../src/report/junit.ts";
import type { RunEvent } from "../../src/run/events.ts";
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
