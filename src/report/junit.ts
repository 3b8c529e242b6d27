import type { MatrixCell } from "../task/matrix.ts";
import type { JsonError, JsonEvent } from "./json-event.ts";
import { escaped } from "./page/html.ts";
import { oneLine } from "./paint.ts";
import { type Failure, type Seen, seenIn, type TaskEnd } from "./seen.ts";
import { describeJsonError } from "./words.ts";
import type { ReportKind } from "./written-report.ts";

/** How a test case came out, beside passed. */
interface Fault {
  as: "failure" | "error" | "skipped";
  /** One line. */
  message: string;
  /** A class of faults: `host`, `verify`. */
  type: string;
  text: string;
}

interface TestCase {
  classname: string;
  name: string;
  ms: number;
  fault?: Fault | undefined;
}

interface Suite {
  name: string;
  host: string;
  cases: readonly TestCase[];
}

/**
 * `--junit`: a suite for each host, with its connection and its tasks, and one for each proof, with its pairs. The form is
 * that of Ant's JUnit reports (JUnit.xsd of windyroad/JUnit-Schema), which allows an element and an attribute less than other
 * descriptions of it; all readers take it.
 */
export const junitReport: ReportKind = {
  option: "--junit",
  mark: "<!-- causeway: JUnit -->",
  render: (events: readonly JsonEvent[], began: Date) => {
    const seen = seenIn(events);
    const suites = [...runSuites(seen), ...hostSuites(seen), ...proofSuites(seen)];
    return [
      '<?xml version="1.0" encoding="UTF-8"?>',
      junitReport.mark,
      "<testsuites>",
      ...suites.map((suite, id) => suiteXml(suite, { id, began, of: seen.run?.playbook ?? "causeway" })),
      "</testsuites>\n",
    ].join("\n");
  },
};

/** What concerns no single host: that nothing was done, and that the run did not come to its end. */
function runSuites({ run, recap, failures, watched }: Seen): Suite[] {
  const of = run?.playbook ?? "causeway";
  const refusals = failures
    .filter(({ type }) => type === "refused")
    .map(
      (failure, i): TestCase => ({ classname: of, name: `refusal ${i + 1}`, ms: 0, fault: faultOf(failure) }),
    );
  const over = watched.flatMap(({ over = [], maxGapMs, pairs }) =>
    maxGapMs === undefined
      ? []
      : pairs.map(({ from, to, longestMs, reached }): TestCase => {
          const name = `${from} → ${to}`;
          const message = reached ? `a gap of ${longestMs} ms, over ${maxGapMs} ms` : "never reached";
          const fault: Fault = { as: "failure", message, type: "verify", text: message };
          return { classname: "gaps", name, ms: 0, ...(over.includes(name) ? { fault } : {}) };
        }),
  );
  const message = recap?.interrupted ? "the run was interrupted" : "the run did not come to its end";
  const cut: Fault = { as: "error", message, type: "interrupted", text: message };
  const whole: TestCase = {
    classname: of,
    name: "the run comes to its end",
    ms: recap?.ms ?? 0,
    ...(recap && !recap.interrupted ? {} : { fault: cut }),
  };
  return [{ name: `${of} as a whole`, host: "localhost", cases: [whole, ...refusals, ...over] }];
}

function hostSuites({ run, recap, tasks, failures }: Seen): Suite[] {
  return (run?.hosts ?? []).map((host) => {
    const own = failures.filter((failure) => failure.host === host && failure.type !== "refused");
    const lost = own.find(({ type }) => type === "unreachable");
    const left = new Set(own.filter((failure) => failure !== lost));
    const rescued = recap?.hosts[host]?.rescued ?? [];
    const mine = tasks.filter((task) => task.host === host);
    const cases = mine.map((task) => {
      const failure = hasEnded(task) ? undefined : [...left].find(({ error }) => isOf(error, task));
      if (failure) left.delete(failure);
      return taskCase(task, failure, rescued);
    });
    const notBegun: Fault = { as: "skipped", message: "its batch was not begun", type: "", text: "" };
    return {
      name: host,
      host,
      cases: [
        { classname: host, name: "connection", ms: 0, fault: lost && faultOf(lost, "error") },
        ...cases,
        // A host that fails outside of its tasks, as at a restart, still fails.
        ...[...left].map((failure) => ({ classname: host, name: "host", ms: 0, fault: faultOf(failure) })),
        ...(recap?.notBegun?.includes(host)
          ? [{ classname: host, name: "batch", ms: 0, fault: notBegun }]
          : []),
      ],
    };
  });
}

function hasEnded({ state }: TaskEnd): boolean {
  return state === "ok" || state === "changed" || state === "planned";
}

/** Whether an error names this task as its place. */
function isOf(error: JsonError, task: TaskEnd): boolean {
  if ("errors" in error) return error.errors.some((one) => isOf(one, task));
  return error.task?.trim() === task.name;
}

function taskCase(task: TaskEnd, failure: Failure | undefined, rescued: readonly string[]): TestCase {
  const about = { classname: `${task.host}.${task.play}`, name: task.name, ms: task.ms };
  if (failure) return { ...about, fault: faultOf(failure) };
  if (task.state === "failed")
    return { ...about, fault: { as: "failure", message: "failed", type: "host", text: "failed" } };
  const why = skippedWhy(task, rescued);
  return why === undefined ? about : { ...about, fault: { as: "skipped", message: why, type: "", text: "" } };
}

/** Of several tasks whose steps travel together, the one that fails is to blame alone. */
function skippedWhy({ state, play }: TaskEnd, rescued: readonly string[]): string | undefined {
  if (state === "planned") return "would change";
  if (state !== "not ended") return undefined;
  return rescued.includes(play) ? "its play's rescue was done instead" : "it did not come to its end";
}

function proofSuites({ proofs }: Seen): Suite[] {
  return proofs.map(({ began, end, counts }) => {
    const name = end.stage === undefined ? end.name : `${end.name} (${end.stage})`;
    const ms = end.at - began;
    if (!end.matrix) {
      const failure =
        end.error && faultOf({ type: "failed", host: undefined, at: end.at, error: end.error }, "error");
      const fault = failure && (counts ? failure : wentOn(failure.message));
      return {
        name,
        host: "localhost",
        cases: [{ classname: name, name: "the proof is judged", ms, fault }],
      };
    }
    const classname = `${name}.${end.matrix.title}`;
    return {
      name,
      host: "localhost",
      cases: end.matrix.cells.map((cell) => ({
        classname,
        name: `${cell.from} → ${cell.to}`,
        ms: cell.rttMs ?? 0,
        fault: pairFault(cell, counts),
      })),
    };
  });
}

/** What a proof on the way finds is no fault of the run, which went on. */
function wentOn(message: string): Fault {
  return { as: "skipped", message: `the run went on: ${message}`, type: "", text: "" };
}

function pairFault(cell: MatrixCell, counts: boolean): Fault | undefined {
  if (cell.ok) return undefined;
  const message =
    cell.cause ?? (cell.expected === "unreachable" ? "reached, although it should not be" : "no answer");
  if (!counts) return wentOn(message);
  const command = cell.command === undefined ? [] : [`on ${cell.commandOn ?? cell.from}: ${cell.command}`];
  return { as: "failure", message, type: "verify", text: [message, ...command].join("\n") };
}

function faultOf({ error }: Failure, as: Fault["as"] = "failure"): Fault {
  const first = firstOf(error);
  return { as, message: first.message, type: first.code, text: describeJsonError(error) };
}

function firstOf(error: JsonError): { message: string; code: string } {
  if (!("errors" in error)) return error;
  const [first] = error.errors;
  return first ? firstOf(first) : { message: "", code: "" };
}

function suiteXml(
  { name, host, cases }: Suite,
  { id, began, of }: { id: number; began: Date; of: string },
): string {
  const number = (as: Fault["as"]) => cases.filter(({ fault }) => fault?.as === as).length;
  const attributes = [
    ["id", id],
    ["package", of],
    ["name", name],
    ["hostname", host],
    ["timestamp", began.toISOString().slice(0, 19)],
    ["tests", cases.length],
    ["failures", number("failure")],
    ["errors", number("error")],
    ["skipped", number("skipped")],
    ["time", seconds(cases.reduce((sum, { ms }) => sum + ms, 0))],
  ] as const;
  return [
    `  <testsuite${attributes.map(([key, value]) => attribute(key, value)).join("")}>`,
    "    <properties/>",
    ...cases.map(caseXml),
    "    <system-out/>",
    "    <system-err/>",
    "  </testsuite>",
  ].join("\n");
}

function caseXml({ classname, name, ms, fault }: TestCase): string {
  const head = `    <testcase${attribute("classname", classname)}${attribute("name", name)}${attribute("time", seconds(ms))}`;
  if (!fault) return `${head}/>`;
  const { as, message, type, text } = fault;
  if (as === "skipped") return `${head}><skipped${attribute("message", message)}/></testcase>`;
  return `${head}><${as}${attribute("type", type)}${attribute("message", message)}>${escaped(text)}</${as}></testcase>`;
}

function attribute(key: string, value: string | number): string {
  return ` ${key}="${escaped(oneLine(String(value)))}"`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
