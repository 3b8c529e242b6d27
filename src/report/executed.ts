import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { describeError } from "../errors.ts";
import type { Executed, NotExecuted } from "../run/exec.ts";
import { shown, shownData } from "../vault/never-shown.ts";
import { Failures } from "./failures.ts";
import { someHosts } from "./host-names.ts";
import { plainError } from "./json.ts";
import { count, duration, type Paint, tame } from "./paint.ts";

/** What became of a command on the hosts that it was meant for. */
export interface ExecOutcome {
  /** In the order of the inventory. */
  hosts: readonly string[];
  results: readonly (Executed | NotExecuted)[];
  /** Whether somebody asked to stop. */
  stopped: boolean;
  ms: number;
}

/** 0: every command gave 0; 2: one did not, or was ended; 4: a host was unreachable; 130: it was stopped. */
export function exitCodeOf({ results, stopped }: ExecOutcome): number {
  if (stopped) return 130;
  if (results.some((result) => "error" in result && result.error.code === "unreachable")) return 4;
  return results.some((result) => "error" in result || result.code !== 0) ? 2 : 0;
}

/** The hosts of each fate, in the order of the inventory. */
export function fates({ hosts, results }: ExecOutcome) {
  const byHost = new Map(results.map((result) => [result.host, result]));
  const those = (fits: (result: Executed | NotExecuted | undefined) => boolean) =>
    hosts.filter((host) => fits(byHost.get(host)));
  const isLost = (result: NotExecuted) => result.error.code === "unreachable";
  return {
    ok: those((r) => r !== undefined && !("error" in r) && r.code === 0),
    failed: those((r) => r !== undefined && ("error" in r ? !isLost(r) : r.code !== 0)),
    unreachable: those((r) => r !== undefined && "error" in r && isLost(r)),
    notBegun: those((r) => r === undefined),
  };
}

/** Equal results once, with the hosts that gave them: those of most hosts first. What a host said is indented, so that it cannot pass for a heading. */
export function groupedLines({ hosts, results }: ExecOutcome, paint: Paint): string[] {
  const groups = new Map<string, Executed[]>();
  const rank = new Map(hosts.map((host, index) => [host, index]));
  const inOrder = results.flatMap((result) => ("error" in result ? [] : [result]));
  inOrder.sort((a, b) => (rank.get(a.host) ?? 0) - (rank.get(b.host) ?? 0));
  for (const result of inOrder) {
    const key = sameness(result);
    const group = groups.get(key) ?? [];
    group.push(result);
    groups.set(key, group);
  }
  return [...groups.values()]
    .sort((a, b) => b.length - a.length)
    .flatMap((group) => {
      const [first] = group as [Executed, ...Executed[]];
      return [headingOf(group, paint), ...saidLines(first).map((line) => (line === "" ? "" : `  ${line}`))];
    });
}

/** Byte for byte: what only looks alike is not the same. */
function sameness({ code, stdout, stderr, left }: Executed): string {
  const hash = createHash("sha256");
  for (const part of [String(code), String(left.stdout), String(left.stderr), String(stdout.length)])
    hash.update(`${part}\n`);
  return hash.update(stdout).update(stderr).digest("hex");
}

function headingOf(group: readonly Executed[], paint: Paint): string {
  const names = someHosts(group.map(({ host }) => host));
  const hosts = group.length > 1 ? ` (${count(group.length, "host")})` : "";
  const code = group[0]?.code ?? 0;
  return paint(code === 0 ? "green" : "red", `${names}${hosts}${code === 0 ? "" : `, exit code ${code}`}`);
}

function saidLines({ stdout, stderr, left }: Executed): string[] {
  const errors = linesOf(stderr, left.stderr);
  const lines = [...linesOf(stdout, left.stdout), ...(errors.length > 0 ? ["stderr:", ...errors] : [])];
  return lines.length > 0 ? lines : ["(no output)"];
}

function linesOf(output: Buffer, left: number): string[] {
  const text = plainText(output).replace(/\n$/, "");
  const lines = text === "" ? [] : text.split("\n");
  return left === 0 ? lines : [...lines, `(${sizeWords(left)} more were left out)`];
}

/** As a terminal may show it. */
export function plainText(output: Buffer): string {
  return tame(shown(output.toString("utf8")));
}

function sizeWords(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`;
}

/** One host's result where lines were shown as they came: what these did not say. */
export function restLines(result: Executed | NotExecuted): string[] {
  if ("error" in result) return [];
  const { host, code, stderr, left, ms } = result;
  const cut = left.stdout > 0 ? [`(${sizeWords(left.stdout)} more were left out)`] : [];
  const errors = linesOf(stderr, left.stderr).map((line) => `stderr: ${line}`);
  return [...cut, ...errors, `exit code ${code} (${duration(ms)})`].map((line) => `${host}: ${line}`);
}

/** Why hosts have no exit code: the first of equal errors in full, and for which others it stands. */
export function failureLines({ results }: ExecOutcome, paint: Paint): string[] {
  const failures = new Failures(paint);
  const lines = results.flatMap((result) => {
    if (!("error" in result)) return [];
    const { host, error } = result;
    const type = error.code === "unreachable" ? "unreachable" : "failed";
    if (failures.isKnown({ type, at: 0, host, error })) return [];
    const text = error.detail.host === undefined ? `${host}: ${describeError(error)}` : describeError(error);
    return [paint("red", `${type}  ${tame(shown(text))}`)];
  });
  return [...lines, ...failures.take()];
}

/** The last line: how many hosts had which fate. */
export function sumLine(outcome: ExecOutcome): string {
  const { ok, failed, unreachable, notBegun } = fates(outcome);
  const part = (names: readonly string[], words: string) =>
    names.length === 0 ? [] : [`${words} ${names.length} (${someHosts(names)})`];
  return [
    `exit code 0 on ${ok.length} of ${count(outcome.hosts.length, "host")}`,
    ...part(failed, "failed on"),
    ...part(unreachable, "unreachable:"),
    ...part(notBegun, "not begun on"),
    duration(outcome.ms),
  ].join(", ");
}

/** A host's result as data. What is no UTF-8 is there byte for byte, too. */
export function resultEvent(result: Executed | NotExecuted): object {
  if ("error" in result) {
    const type = result.error.code === "unreachable" ? "unreachable" : "failed";
    return { type, host: result.host, error: plainError(shownData(result.error)) };
  }
  const { host, code, stdout, stderr, left, ms } = result;
  const isCut = left.stdout + left.stderr > 0;
  return {
    type: "result",
    host,
    code,
    ms,
    ...outputData("stdout", stdout),
    ...outputData("stderr", stderr),
    ...(isCut ? { left } : {}),
  };
}

function outputData(name: "stdout" | "stderr", output: Buffer): object {
  const text = { [name]: shown(output.toString("utf8")) };
  if (isUtf8(output)) return text;
  const masked = Buffer.from(shown(output.toString("latin1")), "latin1");
  return { ...text, [`${name}Base64`]: masked.toString("base64") };
}
