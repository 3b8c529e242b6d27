import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fetchedMember } from "../../src/archives/fetched.ts";
import { describeError } from "../../src/errors.ts";
import { packageDir } from "../../src/package-dir.ts";
import { execute } from "../lab/support.ts";

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "causeway-archives-"));
/** What the server was asked for, in order. */
const asked: string[] = [];
const made = new Set<string>();
const server = createServer(({ url = "" }, response) => {
  asked.push(url);
  const file = join(folder, url);
  response.writeHead(existsSync(file) ? 200 : 404).end(existsSync(file) ? readFileSync(file) : "");
});
let base = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  mkdirSync(join(folder, "tool-v1"));
  for (const name of ["tool", "toolctl"])
    writeFileSync(join(folder, "tool-v1", name), `#!/bin/sh\n${name}\n`);
  await execute(["tar", "-C", folder, "-czf", join(folder, "tool.tar.gz"), "tool-v1"]);
  writeFileSync(join(folder, "tool.zip"), zipSync({ tool: strToU8("zipped"), "doc/tool.md": strToU8("") }));
  writeFileSync(join(folder, "two.zip"), zipSync({ "a/tool": strToU8("1"), "b/tool": strToU8("2") }));
  writeFileSync(join(folder, "bare"), "#!/bin/sh\nbare\n");
  writeFileSync(join(folder, "page.html"), "<html>");
  writeFileSync(join(folder, "broken.tar.gz"), Buffer.from("1f8b0800", "hex"));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
  for (const sum of made) rmSync(join(packageDir, ".cache/archives", sum), { recursive: true, force: true });
});

const sumOf = (name: string) =>
  createHash("sha256")
    .update(readFileSync(join(folder, name)))
    .digest("hex");

function get(name: string, member: string, sha256 = sumOf(name)) {
  made.add(sha256);
  return fetchedMember({ archive: { url: `${base}/${name}`, sha256, fetch: "controller" }, member }, never);
}

const refusal = (name: string, member: string, sha256?: string) =>
  get(name, member, sha256).then(
    () => "",
    (error) => describeError(error),
  );

describe.sequential("the controller fetches an archive", () => {
  test("two files out of one, asked for at once by several hosts: one download", async () => {
    const files = await Promise.all(
      ["tool", "toolctl", "tool-v1/tool", "tool"].map((member) => get("tool.tar.gz", member)),
    );
    expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(
      ["tool", "toolctl", "tool", "tool"].map((name) => `#!/bin/sh\n${name}\n`),
    );
    expect(asked).toEqual(["/tool.tar.gz"]);
  });

  test.each([
    ["a zip", "tool.zip", "zipped"],
    ["a bare program", "bare", "#!/bin/sh\nbare\n"],
  ])("%s", async (_name, archive, content) => {
    expect(readFileSync(await get(archive, "tool"), "utf8")).toBe(content);
  });

  test("what was put beside it by hand is taken, and checked", async () => {
    const sum = sumOf("bare");
    rmSync(join(folder, "bare"));
    expect(asked.filter((url) => url === "/bare")).toHaveLength(1);
    expect(readFileSync(await get("bare", "other", sum), "utf8")).toContain("bare");
    expect(asked.filter((url) => url === "/bare")).toHaveLength(1);
  });

  test.each([
    [
      "another checksum",
      "tool.zip",
      "tool",
      "0".repeat(64),
      ["found     sha256 ", `expected  sha256 ${"0".repeat(64)}`],
    ],
    [
      "nothing there",
      "gone.zip",
      "tool",
      "1".repeat(64),
      ["404", `curl -fL -o ${packageDir}/.cache/archives/111`],
    ],
    ["no such file in it", "tool.tar.gz", "absent", undefined, ["no file named absent", "tool-v1/toolctl"]],
    ["two of that name", "two.zip", "tool", undefined, ["more than one file named tool", "a/tool", "b/tool"]],
    ["a broken one", "broken.tar.gz", "tool", undefined, ["cannot unpack", "broken.tar.gz"]],
    ["no archive", "page.html", "tool", undefined, ["neither a .tar.gz nor a .zip"]],
  ])("refused: %s", async (_name, archive, member, sum, words) => {
    const said = await refusal(archive, member, sum);
    for (const word of words) expect(said).toContain(word);
    const cached = join(packageDir, ".cache/archives", sum ?? "none");
    expect(existsSync(join(cached, "archive"))).toBe(false);
  });
});
