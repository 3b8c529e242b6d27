import { expect, test } from "vitest";
import { machineName } from "../src/lab/paths.ts";

test.each([
  ["lab-a", "docker-200", "docker-200.lab-a"],
  ["lab-b", "docker-200", "docker-200.lab-b"],
])("the machine of %s's %s is %s", (lab, host, name) => {
  expect(machineName(lab, host)).toBe(name);
});

test("long names stay within what systemd-nspawn takes, and differ between labs", () => {
  const [a, b] = ["a", "b"].map((lab) => machineName(lab.repeat(31), "h".repeat(60)));
  expect([a?.length, b?.length]).toEqual([64, 64]);
  expect(a).not.toBe(b);
});
