import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { HostReader, ReadMemory } from "../../src/host/reader.ts";
import type { Session } from "../../src/host/session.ts";
import { hostFacts, parseOsRelease } from "../../src/playbook/host-facts.ts";

describe("os-release", () => {
  test.each<[string, string, object]>([
    [
      "Debian's",
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n',
      { id: "debian", like: [], version: "12", codename: "bookworm", name: "Debian GNU/Linux 12 (bookworm)" },
    ],
    [
      "Rocky's",
      'NAME="Rocky Linux"\nVERSION_ID="9.4"\nID="rocky"\nID_LIKE="rhel centos fedora"\nPRETTY_NAME="Rocky Linux 9.4"\n',
      {
        id: "rocky",
        like: ["rhel", "centos", "fedora"],
        version: "9.4",
        codename: "",
        name: "Rocky Linux 9.4",
      },
    ],
    ["one that says nothing", "", { id: "linux", like: [], version: "", codename: "", name: "" }],
    ["quotes within", "ID=x\nPRETTY_NAME='a \"b\" \\$c'\n", { id: "x", name: 'a "b" $c' }],
  ])("%s", (_, text, facts) => {
    expect(parseOsRelease(text)).toMatchObject(facts);
  });
});

/** This very machine, by its own shell. */
const here: Session = {
  name: "here",
  run: async (script: string) => ({
    stdout: execFileSync("sh", ["-c", script], { encoding: "utf8" }),
    stderr: "",
    code: 0,
  }),
} as unknown as Session;

test("the facts of this machine are what the kernel says", async () => {
  const reader = new HostReader(new ReadMemory(here));
  const known = undefined as never;
  const [kernel, os, cgroup] = await Promise.all([
    hostFacts.kernel.read(reader, known),
    hostFacts.os.read(reader, known),
    hostFacts.cgroup.read(reader, known),
  ]);
  expect(kernel.release).toBe(execFileSync("uname", ["-r"], { encoding: "utf8" }).trim());
  expect(kernel.cpus).toBeGreaterThan(0);
  expect(kernel.memory).toBeGreaterThan(1024 * 1024);
  expect(os.id).toMatch(/^[a-z]+$/);
  expect(["v1", "v2", "hybrid"]).toContain(cgroup);
});

test.each(["10.0.0.201", "fd00:10::201"])("the way to %s is asked of a host", async (address) => {
  // iproute2 tells the family by the address, and refuses one of the other family where it was told one.
  const other = address.includes(":") ? "-4" : "-6";
  const session = {
    name: "here",
    run: async (script: string) => {
      const answers = script.includes(`route get ${address}`) && !script.includes(other);
      return {
        stdout: answers ? `${address} dev eth0 src 192.0.2.1\n` : "",
        stderr: "",
        code: answers ? 0 : 1,
      };
    },
  } as unknown as Session;
  expect(await new HostReader(new ReadMemory(session)).routeTo(address)).toMatchObject({ dev: "eth0" });
});
