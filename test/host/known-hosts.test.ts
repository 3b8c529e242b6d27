import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import { refuseHostKey } from "../../src/host/host-key.ts";
import { judge, knownAlgorithms, lookupName, parseKnownHosts } from "../../src/host/known-hosts.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-known-"));
afterAll(() => rmSync(folder, { recursive: true }));

function key(type: "ed25519" | "ecdsa"): { line: string; blob: Buffer } {
  const file = join(folder, `${type}-${Math.random()}`);
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file]);
  const [name = "", text = ""] = readFileSync(`${file}.pub`, "utf8").trim().split(" ");
  return { line: `${name} ${text}`, blob: Buffer.from(text, "base64") };
}

const a = key("ed25519");
const b = key("ed25519");
const e = key("ecdsa");
const lookup = (text: string, name: string, blob: Buffer) => judge(parseKnownHosts("f", text), name, blob);

describe("what OpenSSH's known_hosts says of a key", () => {
  test.each([
    ["a plain name", `h1 ${a.line}`, "h1", a.blob, true],
    ["one of several names", `h1,10.0.0.1 ${a.line}`, "10.0.0.1", a.blob, true],
    ["a port", `[h1]:2222 ${a.line}`, "[h1]:2222", a.blob, true],
    ["the same host at another port", `[h1]:2222 ${a.line}`, "h1", a.blob, "unknown"],
    ["a wildcard", `10.0.0.* ${a.line}`, "10.0.0.7", a.blob, true],
    ["a negation wins", `10.0.0.*,!10.0.0.7 ${a.line}`, "10.0.0.7", a.blob, "unknown"],
    ["another host", `h1 ${a.line}`, "h2", a.blob, "unknown"],
    ["another key", `h1 ${a.line}`, "h1", b.blob, "changed"],
    ["one of two keys", `h1 ${a.line}\nh1 ${b.line}`, "h1", b.blob, true],
    ["a key of another type", `h1 ${a.line}`, "h1", e.blob, "changed"],
    ["revoked", `@revoked * ${a.line}\nh1 ${a.line}`, "h1", a.blob, "revoked"],
    ["a certificate authority", `@cert-authority h1 ${b.line}`, "h1", a.blob, "authority"],
    ["comments and empty lines", `# h1\n\n  h1 ${a.line} comment`, "h1", a.blob, true],
    ["a broken line", `h1\nh1 ${a.line}`, "h1", a.blob, true],
  ])("%s", (_name, text, name, blob, expected) => {
    const verdict = lookup(text, name, blob);
    expect(verdict.known ? true : verdict.why).toBe(expected);
  });

  test("hashed names, as ssh-keygen -H writes them", () => {
    const file = join(folder, "hashed");
    writeFileSync(file, `h1 ${a.line}\n[h2]:2222 ${a.line}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
    const text = readFileSync(file, "utf8");
    expect(text).not.toContain("h1");
    expect(lookup(text, "h1", a.blob).known).toBe(true);
    expect(lookup(text, "[h2]:2222", a.blob).known).toBe(true);
    expect(lookup(text, "h3", a.blob).known).toBe(false);
  });

  test("the types that are known are asked for first", () => {
    expect(knownAlgorithms(parseKnownHosts("f", `h1 ${e.line}`), "h1")).toEqual(["ecdsa-sha2-nistp256"]);
    expect(knownAlgorithms(parseKnownHosts("f", "h1 ssh-rsa AAAA"), "h1")).toEqual([
      "rsa-sha2-512",
      "rsa-sha2-256",
    ]);
  });

  test("names are looked up with their port unless it is 22", () => {
    expect(lookupName("H1", 22)).toBe("h1");
    expect(lookupName("H1", 2222)).toBe("[h1]:2222");
  });
});

describe("a refusal says what to do", () => {
  const check = (mode: "strict" | "accept-new" | "off", text: string) => {
    const file = join(folder, `known-${Math.random()}`);
    writeFileSync(file, text);
    return { file, check: { host: "h1", port: 22, files: [file], mode } };
  };

  test("unknown", () => {
    const { check: one, file } = check("strict", "");
    const text = describeError(refuseHostKey(one, a.blob) ?? fail());
    expect(text).toContain("not known");
    expect(text).toContain(`ssh-keyscan -p 22 h1 >> ${file}`);
  });

  test("changed", () => {
    const { check: one, file } = check("accept-new", `h1 ${a.line}\n`);
    const text = describeError(refuseHostKey(one, b.blob) ?? fail());
    expect(text).toContain("CHANGED");
    expect(text).toContain(`ssh-keygen -R 'h1' -f ${file}`);
  });

  test("accept-new writes an unknown key down, and knows it from then on", () => {
    const { check: one, file } = check("accept-new", "");
    expect(refuseHostKey(one, a.blob)).toBeUndefined();
    expect(readFileSync(file, "utf8")).toBe(`h1 ${a.line}\n`);
    expect(refuseHostKey({ ...one, mode: "strict" }, a.blob)).toBeUndefined();
  });

  test("off asks nobody", () => {
    expect(refuseHostKey(check("off", `h1 ${a.line}`).check, b.blob)).toBeUndefined();
  });
});

function fail(): never {
  throw new Error("it was not refused");
}
