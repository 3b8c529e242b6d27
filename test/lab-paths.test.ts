import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { machineName } from "../src/lab/paths.ts";
import { packageDir } from "../src/package-dir.ts";

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

test("each test file's lab has a name and a network of its own: they run at one time", () => {
  const folder = join(packageDir, "test/lab");
  const labs = readdirSync(folder).flatMap((file) =>
    file.endsWith(".test.ts")
      ? [...readFileSync(join(folder, file), "utf8").matchAll(/useLab\(\s*"([\w-]+)",\s*(\d+)/g)]
      : [],
  );
  const [names, networks] = [1, 2].map((part) => labs.map((lab) => lab[part]));
  expect(labs.length).toBeGreaterThan(20);
  expect(new Set(names).size).toBe(names?.length);
  expect(new Set(networks).size).toBe(networks?.length);
});
