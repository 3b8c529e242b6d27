import { describe, expect, test } from "vitest";
import { template } from "../../tasks/template.ts";
import { path, there } from "./placed.ts";
import { planWords } from "./words.ts";

describe("template: state read → exact steps", () => {
  test("the text is that of the function", () => {
    const text = ({ port }: { port: number }) => `port ${port}\n`;
    const plan = (port: number) =>
      planWords(
        template.definition.present(
          { file: there("port 80\n"), stale: [] },
          { path, text, vars: { port }, reloads: ["app"] },
        ),
      );
    expect(plan(80)).toEqual([]);
    expect(plan(81)).toEqual([
      `file ${path}: 1 line, mode 644 → 1 line, mode 644, another text ⇒ reload app`,
    ]);
  });
});
