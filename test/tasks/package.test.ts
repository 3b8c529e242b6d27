import { describe, expect, test } from "vitest";
import { packages } from "../../tasks/package.ts";
import { planWords } from "./words.ts";

describe("package: state read → exact steps", () => {
  test("only what is missing", () => {
    const plan = (...names: string[]) =>
      planWords(packages.definition.present(new Map(names.map((n) => [n, "1"])), { names: ["a", "b"] }));
    expect(plan("a")).toEqual(["package b: — → installed"]);
    expect(plan("a", "b")).toEqual([]);
  });
});
