import { describe, expect, test } from "vitest";
import type { UnitState } from "../../src/host/tools/systemd.ts";
import { unit } from "../../tasks/unit.ts";
import { planWords } from "./words.ts";

describe("unit: state read → exact steps", () => {
  const state: UnitState = {
    name: "app",
    present: true,
    active: "inactive",
    sub: "dead",
    enabled: "disabled",
    needsReload: false,
    fragmentPath: "/etc/systemd/system/app.service",
    dropIns: [],
    sets: [],
    mainPid: 0,
    commandLine: "",
    execStart: "",
  };
  type Given = Omit<Parameters<typeof unit>[0], "name">;
  const plan = (read: Partial<UnitState>, given: Given) =>
    planWords(unit.definition.present({ ...state, ...read }, { name: "app", ...given }));
  const both = { enabled: true, active: true };

  test.each<[string, Partial<UnitState>, Given, string[]]>([
    ["neither", {}, both, ["unit app: disabled, inactive → enabled, active"]],
    ["both", { enabled: "enabled", active: "active" }, both, []],
    ["failed", { enabled: "enabled", active: "failed" }, both, ["unit app: enabled, failed → active"]],
    ["on its way", { active: "activating" }, { active: true }, []],
    [
      "until the next boot only",
      { enabled: "enabled-runtime" },
      { enabled: true },
      ["unit app: enabled-runtime, inactive → enabled"],
    ],
    [
      "to stop",
      { enabled: "enabled", active: "active" },
      { enabled: false, active: false },
      ["unit app: enabled, active → disabled, inactive"],
    ],
    ["a static one is not disabled", { enabled: "static" }, { enabled: false }, []],
    [
      "changed on disk",
      { active: "active", needsReload: true },
      { active: true },
      ["owed: daemon-reload (app changed on disk since systemd loaded it)"],
    ],
    ["none yet", { present: false, enabled: "" }, both, ["later: systemd knows no unit app yet"]],
    ["none, and it is not to run", { present: false, enabled: "" }, { active: false }, []],
  ])("%s", (_, read, given, steps) => {
    expect(plan(read, given)).toEqual(steps);
  });

  test("one that cannot be enabled, and one that is masked, are refused", () => {
    expect(() => plan({ enabled: "static" }, both)).toThrow("the unit app cannot be enabled");
    expect(() => plan({ enabled: "masked" }, both)).toThrow("app is masked");
    expect(plan({ enabled: "masked" }, { active: false })).toEqual([]);
  });

  test("something is asked of it", () => {
    expect(() => unit({ name: "app" })).toThrow("the value needs at least one of enabled, active");
  });
});
