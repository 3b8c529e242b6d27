import { describe, expect, test } from "vitest";
import { sysctl } from "../../tasks/sysctl.ts";
import { planWords } from "./words.ts";

describe("sysctl: state read → exact steps", () => {
  test("what runs, and what files say", () => {
    const plan = (running: string, value: number) =>
      planWords(sysctl.definition.present({ running, files: [] }, { key: "vm.swappiness", value }));
    expect(plan("60", 10)).toEqual(["sysctl vm.swappiness: 60 → 10"]);
    expect(plan("10", 10)).toEqual([]);
  });
});
