import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { cacheFolder } from "../src/cache-folder.mjs";

const made: string[] = [];
let base = "";
/** Nobody can make a folder below a file, whoever runs the tests. */
const closed = "/dev/null/causeway";

beforeEach(() => {
  base = mkdtempSync(join(realpathSync(tmpdir()), "causeway-cache-"));
  made.push(base);
  vi.stubEnv("TMPDIR", base);
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => made.forEach((folder) => void rmSync(folder, { recursive: true })));

const own = () => `causeway-${process.getuid?.()}`;

test("the package's own folder, where it can be written", () => {
  expect(cacheFolder(base, {})).toBe(join(base, ".cache"));
});

test.each([
  ["XDG_CACHE_HOME", (b: string) => ({ XDG_CACHE_HOME: join(b, "xdg") }), "xdg/causeway"],
  ["~/.cache", () => ({}), "home/.cache/causeway"],
  ["~/.cache, for a path that is not whole", () => ({ XDG_CACHE_HOME: "xdg" }), "home/.cache/causeway"],
])("else below %s", (_name, env, expected) => {
  vi.stubEnv("HOME", join(base, "home"));
  const folder = cacheFolder(closed, env(base));
  expect(folder).toBe(join(base, expected));
  expect(existsSync(folder)).toBe(true);
});

test("else a temporary one, for its user only", () => {
  const folder = cacheFolder(closed, { XDG_CACHE_HOME: closed });
  expect(folder).toBe(join(base, own()));
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(cacheFolder(closed, { XDG_CACHE_HOME: closed })).toBe(folder);
});

test("never one that others may write in", () => {
  mkdirSync(join(base, own()));
  chmodSync(join(base, own()), 0o777);
  expect(() => cacheFolder(closed, { XDG_CACHE_HOME: closed })).toThrow(
    /no folder for the cache[\s\S]*others may write in it[\s\S]*set XDG_CACHE_HOME/,
  );
});

test.runIf(process.getuid?.() === 0)("nor one that belongs to somebody else", () => {
  mkdirSync(join(base, "causeway"), { mode: 0o700 });
  chownSync(join(base, "causeway"), 65534, 65534);
  expect(cacheFolder(closed, { XDG_CACHE_HOME: base })).toBe(join(base, own()));
});
