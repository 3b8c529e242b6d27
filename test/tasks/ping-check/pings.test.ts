import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { forEach, readAnswers, secondsFor } from "../../../tasks/ping-check/inside.ts";
import { addressOf, readPing } from "../../../tasks/ping-check/pings.ts";
import { readSizes, readWays } from "../../../tasks/ping-check/routes.ts";

/** What busybox 1.35 said of four peers, two at a time: one that answers, one without a route, one that is silent, one more. */
const said = `@peer 0
@promised 1500
@crossed
PING 192.168.100.3 (192.168.100.3): 56 data bytes

--- 192.168.100.3 ping statistics ---
3 packets transmitted, 3 packets received, 0% packet loss
round-trip min/avg/max = 0.108/0.187/0.320 ms
@caller 0000000000000000FFFF00000264A8C0:E5BE
@peer 2
cat: can't open '/sys/class/net/eth0/mtu': No such file or directory
PING 10.9.9.9 (10.9.9.9): 56 data bytes
ping: sendto: Network is unreachable
@caller 
@peer 1
@promised 1500
PING 192.168.100.9 (192.168.100.9): 56 data bytes

--- 192.168.100.9 ping statistics ---
3 packets transmitted, 0 packets received, 100% packet loss
@caller 
@peer 3
@promised 1450
PING 192.168.100.4 (192.168.100.4): 56 data bytes

--- 192.168.100.4 ping statistics ---
3 packets transmitted, 2 packets received, 33% packet loss
round-trip min/avg/max = 0.073/0.162/0.330 ms
@resolved 192.168.100.4
@caller 0264A8C0:ECE2
`;

describe("what a container says of its peers", () => {
  const none = { loss: undefined, rtt: undefined, caller: undefined, resolved: undefined };

  it("is taken apart by peer, whoever was done first", () => {
    expect(readAnswers(said, 5).map((answer) => readPing(answer, false))).toEqual([
      { ...none, loss: 0, rtt: 0.187, caller: "192.168.100.2", promised: 1500, crossed: true },
      { ...none, loss: 100, promised: 1500, crossed: false },
      { ...none, promised: undefined, crossed: false },
      { ...none, loss: 33, rtt: 0.162, caller: "192.168.100.2", promised: 1450, crossed: false },
      { ...none, promised: undefined, crossed: false },
    ]);
  });

  it("has the far name's address, empty where it has none", () => {
    const names = readAnswers(said, 4).map((answer) => readPing(answer, true).resolved);
    expect(names).toEqual(["", "", "", "192.168.100.4"]);
  });

  it("cut off anywhere never reads as more than it is", () => {
    for (let length = 0; length < said.length; length += 7)
      for (const [index, answer] of readAnswers(said.slice(0, length), 4).entries())
        if (index > 0 && index < 3) expect(readPing(answer, false).rtt).toBeUndefined();
  });
});

describe("one shell for all peers", () => {
  const run = async (script: string, lanes: number, words: readonly string[]) =>
    (await promisify(execFile)("sh", ["-c", forEach, "sh", script, String(lanes), ...words])).stdout;

  it("gives each its words, and each answer to its peer", async () => {
    const text = await run('echo "$2 of $1"; echo why >&2', 3, ["a 1", "b 2", "c 3", "d 4", "e"]);
    expect(readAnswers(text, 5)).toEqual(
      ["1 of a", "2 of b", "3 of c", "4 of d", " of e"].map((s) => `${s}\nwhy\n`),
    );
  });

  it("works on so many at a time, and no more", async () => {
    const folder = mkdtempSync(join(tmpdir(), "causeway-lanes-"));
    const words = Array.from({ length: 20 }, () => `${folder}/log`);
    await run('echo + >>"$1"; sleep 0.3; echo - >>"$1"', 4, words);
    let [now, most] = [0, 0];
    for (const sign of readFileSync(`${folder}/log`, "utf8").trim().split("\n")) {
      now += sign === "+" ? 1 : -1;
      most = Math.max(most, now);
    }
    rmSync(folder, { recursive: true });
    expect([most, now]).toEqual([4, 0]);
  });

  it.each([
    [0, 20],
    [1, 30],
    [16, 30],
    [17, 40],
    [199, 150],
  ])("takes for %i peers %i seconds at most", (peers, seconds) => {
    expect(secondsFor(peers, { seconds: 10, atOnce: 16 })).toBe(seconds);
  });
});

describe("where packets go, by one process", () => {
  const asked = ["127.0.0.1", "8.8.8.8", "192.168.200.2", "10.1.1.1"];
  const stdout = `local 127.0.0.1 dev lo src 127.0.0.1 uid 0 
    cache <local> 
192.168.200.2 via 10.0.0.201 dev eth0 src 10.0.0.200 uid 0 
    cache expires 597sec mtu 1400 
`;
  const stderr = `RTNETLINK answers: Network is unreachable
Command failed -:2
RTNETLINK answers: No route to host
Command failed -:4
`;

  it("is told by address, and what the kernel said where there is no route", () => {
    const ways = readWays(asked, stdout, stderr);
    expect(ways.get("192.168.200.2")?.route).toMatchObject({ via: "10.0.0.201", dev: "eth0" });
    expect([...ways.values()].map(({ words }) => words)).toEqual([
      "local 127.0.0.1 dev lo src 127.0.0.1 uid 0",
      "RTNETLINK answers: Network is unreachable",
      "192.168.200.2 via 10.0.0.201 dev eth0 src 10.0.0.200 uid 0",
      "RTNETLINK answers: No route to host",
    ]);
  });

  it("is nothing where nothing came", () => {
    expect([...readWays(["10.1.1.1"], "", "").values()]).toEqual([{ words: "" }]);
  });

  it("has the size that a router told the kernel", () => {
    expect([...readSizes(stdout)]).toEqual([["192.168.200.2", 1400]]);
    expect([...readSizes("10.1.1.1 dev eth0 mtu 1300 src 10.0.0.1\n    cache \n")]).toEqual([
      ["10.1.1.1", 1300],
    ]);
  });
});

it.each([
  ["0264A8C0", "192.168.100.2"],
  ["0000000000000000FFFF00000264A8C0", "192.168.100.2"],
  ["003000FD000000010000000001000000", "fd00:3000:100::1"],
  [undefined, undefined],
])("%s in the kernel's table of connections is %s", (hex, address) => {
  expect(addressOf(hex)).toBe(address);
});
