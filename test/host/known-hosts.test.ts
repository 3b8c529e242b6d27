import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import { refuseHostKey } from "../../src/host/host-key.ts";
import {
  fingerprint,
  judge,
  knownAlgorithms,
  knownLines,
  lookupName,
  parseKnownHosts,
} from "../../src/host/known-hosts.ts";

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
    ["a question mark", `h? ${a.line}`, "h1", a.blob, true],
    ["a dot is a dot", `10.0.0.1 ${a.line}`, "10x0x0x1", a.blob, "unknown"],
    ["a wildcard's dot is a dot", `*.0.0.1 ${a.line}`, "10.0x0.1", a.blob, "unknown"],
    ["a wildcard with a port", `[10.0.0.*]:2222 ${a.line}`, "[10.0.0.7]:2222", a.blob, true],
    ["a negation alone", `!h2 ${a.line}`, "h1", a.blob, "unknown"],
    ["capitals in the file", `H1 ${a.line}`, "h1", a.blob, true],
    ["two types", `h1 ${a.line}\nh1 ${e.line}`, "h1", e.blob, true],
    ["revoked for another host", `@revoked h2 ${a.line}\nh1 ${a.line}`, "h1", a.blob, true],
    ["another key is revoked", `@revoked * ${b.line}`, "h1", a.blob, "unknown"],
    ["an unknown marker", `@sometimes h1 ${a.line}`, "h1", a.blob, "unknown"],
    ["an authority and the key itself", `@cert-authority * ${b.line}\nh1 ${a.line}`, "h1", a.blob, true],
    ["lines that end in CR LF", `h1 ${a.line}\r\n`, "h1", a.blob, true],
    ["a broken line", `h1\nh1 ${a.line}`, "h1", a.blob, true],
  ])("%s", (_name, text, name, blob, expected) => {
    const verdict = lookup(text, name, blob);
    const file = join(folder, `known-${Math.random()}`);
    writeFileSync(file, text);
    expect(judge(knownLines([file], name), name, blob).known).toBe(verdict.known);
    expect(verdict.known ? true : verdict.why).toBe(expected);
  });

  test("hashed names, as ssh-keygen -H writes them", () => {
    const file = join(folder, "hashed");
    writeFileSync(file, `h1 ${a.line}\n[h2]:2222 ${a.line}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
    const text = readFileSync(file, "utf8");
    expect(text).not.toMatch(/^h1|\[h2\]/m);
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
  const scanOf = (host: string) => (file: string) => `ssh-keyscan -p 22 ${host} >> ${file}`;
  const check = (mode: "strict" | "accept-new" | "off", text: string) => {
    const file = join(folder, `known-${Math.random()}`);
    writeFileSync(file, text);
    return { file, check: { name: "h1", files: [file], mode, learn: scanOf("h1") } };
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

  test.each([
    ["a last line that is not ended", `h2 ${b.line}`, `h2 ${b.line}\nh1 ${a.line}\n`],
    ["a last line that is", `h2 ${b.line}\n`, `h2 ${b.line}\nh1 ${a.line}\n`],
  ])("accept-new writes behind %s", (_name, text, expected) => {
    const { check: one, file } = check("accept-new", text);
    expect(refuseHostKey(one, a.blob)).toBeUndefined();
    expect(readFileSync(file, "utf8")).toBe(expected);
  });

  test("accept-new makes the file and its folder, for the user only, and OpenSSH reads it", () => {
    const file = join(folder, "new", "known_hosts");
    expect(
      refuseHostKey({ name: "[h1]:2222", files: [file], mode: "accept-new", learn: scanOf("h1") }, a.blob),
    ).toBeUndefined();
    expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
    expect((statSync(join(folder, "new")).mode & 0o777).toString(8)).toBe("700");
    expect(execFileSync("ssh-keygen", ["-F", "[h1]:2222", "-f", file], { encoding: "utf8" })).toContain(
      a.line,
    );
  });

  test.each([
    ["revoked", "@revoked * ", "is revoked"],
    ["known by an authority", "@cert-authority * ", "only through a certificate authority"],
  ])("%s, whatever the mode", (_name, marker, words) => {
    const key = words === "is revoked" ? a : b;
    for (const mode of ["strict", "accept-new"] as const) {
      const { check: one, file } = check(mode, `${marker}${key.line}\n`);
      const text = describeError(refuseHostKey(one, a.blob) ?? fail());
      expect(text).toContain(words);
      expect(text).toContain(`${file}:1`);
      expect(readFileSync(file, "utf8")).toBe(`${marker}${key.line}\n`);
    }
  });

  test("the fingerprint is the one that ssh-keygen shows", () => {
    const file = join(folder, "one.pub");
    writeFileSync(file, `${a.line}\n`);
    expect(execFileSync("ssh-keygen", ["-l", "-f", file], { encoding: "utf8" })).toContain(
      fingerprint(a.blob),
    );
  });

  test("off asks nobody", () => {
    expect(refuseHostKey(check("off", `h1 ${a.line}`).check, b.blob)).toBeUndefined();
  });
});

function fail(): never {
  throw new Error("it was not refused");
}
