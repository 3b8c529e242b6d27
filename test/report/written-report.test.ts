import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import { plainEvent } from "../../src/report/json.ts";
import { htmlReport } from "../../src/report/page/page.ts";
import { WrittenReport } from "../../src/report/written-report.ts";
import { folderWith } from "../inventory/files.ts";
import { wholeRun } from "./whole-run.ts";

const folder = folderWith({ "site.yml": "hosts: all\n", empty: "" });
const run = wholeRun(3);

function written(name: string, events = run): WrittenReport {
  const report = new WrittenReport(htmlReport, join(folder, name), false);
  for (const event of events) report.event(event);
  report.close();
  return report;
}

const textOf = (name: string) => readFileSync(join(folder, name), "utf8");
const refusalOf = (name: string) => {
  try {
    written(name);
  } catch (error) {
    return describeError(error as never);
  }
  throw new Error("it was no error");
};

describe("a report", () => {
  test("is there whole once the run has ended, and replaces one of an earlier run", () => {
    for (const _ of [1, 2]) expect(written("run.html").failure).toBeUndefined();
    expect(textOf("run.html")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(readdirSync(folder).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  test("of an earlier run is gone as soon as the next begins", () => {
    written("old.html");
    const next = new WrittenReport(htmlReport, join(folder, "old.html"), false);
    expect(existsSync(join(folder, "old.html"))).toBe(false);
    next.close();
    expect(textOf("old.html")).toContain("did not come to its end");
  });

  test("tells of the last run where its plan was asked about first", () => {
    const plan = run.map((event) => (event.type === "run" ? { ...event, check: true } : event));
    written("asked.html", [...plan, ...run]);
    const data = run.map((event) => plainEvent(event, false));
    expect(textOf("asked.html").length).toBe(htmlReport.render(data, new Date()).length);
  });

  test("takes no file of somebody else's", () => {
    expect(refusalOf("site.yml")).toContain("is there, and is no such report");
    expect(textOf("site.yml")).toBe("hosts: all\n");
    mkdirSync(join(folder, "dir"));
    expect(refusalOf("dir")).toContain("is no such report");
    expect(written("empty").failure).toBeUndefined();
  });

  test("that cannot be written is refused before the run begins", () => {
    expect(refusalOf("missing/run.html")).toMatch(/missing\/run\.html cannot be written[\s\S]*ENOENT/);
  });

  test("that cannot be written in the end is not there, and says so", () => {
    const report = new WrittenReport(htmlReport, join(folder, "late.html"), false);
    mkdirSync(join(folder, "late.html"));
    writeFileSync(join(folder, "late.html", "file"), "");
    report.close();
    expect(report.failure?.message).toMatch(/late\.html cannot be written/);
  });
});
