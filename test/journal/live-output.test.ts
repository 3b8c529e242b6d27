import { expect, test } from "vitest";
import { LiveOutput, liveBytes } from "../../src/journal/live-output.ts";

/** What is told of an output that comes in pieces of so many bytes. */
function told(text: string, { size = 3, secrets = [] as string[] } = {}): string[] {
  const [output, bytes, lines] = [new LiveOutput(secrets), Buffer.from(text), [] as string[]];
  for (let at = 0; at < bytes.length; at += size)
    lines.push(...output.take(bytes.subarray(at, at + size).toString("base64")));
  return [...lines, ...output.rest()];
}

test("a secret is masked wherever its pieces came apart, and where a long line is cut", () => {
  const secrets = ["hunter2hunter2", "first line\nsecond line"];
  expect(told("a hunter2hunter2 b\nfirst line\nsecond line\n", { secrets })).toEqual([
    "a ******** b",
    "********",
    "********",
  ]);
  const [long = ""] = told(`${"x".repeat(995)}hunter2hunter2${"y".repeat(99)}`, { secrets });
  expect(long).toBe(`${"x".repeat(995)}*****…`);
});

test("lines are whole, whatever characters their pieces part; of one that is written over the last state is told", () => {
  expect(told("容器\r\n10 %\r50 %\r100 %\nopen", { size: 1 })).toEqual(["容器", "100 %", "open"]);
});

test("no more lines are told than one reads", () => {
  const output = new LiveOutput([]);
  expect(output.take(Buffer.from("y\n".repeat(5000)).toString("base64"))).toHaveLength(2000);
  expect([output.isFull, output.take(Buffer.from("z\n").toString("base64"))]).toEqual([true, []]);
});

test("the more steps a script has, the less each may tell", () => {
  expect([1, 16, 1000].map(liveBytes)).toEqual([262_144, 262_144, 4194]);
});
