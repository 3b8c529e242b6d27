import { describe, expect, test } from "vitest";
import { parseLine } from "../../../tasks/ping-check/watch-lines.ts";
import { PairTimeline } from "../../../tasks/ping-check/watch-timeline.ts";

/** What happens to a pair, a packet every 200 ms: `met`, answers as `a2` (packet 2, 400 ms after its ping began), and others. */
function seen(story: string, end = 100_000) {
  const pair = new PairTimeline();
  pair.everyMs = 200;
  let began = 0;
  for (const word of story.split(" ")) {
    const [, verb = "", number = ""] = /^([a-z]+)(\d*)/.exec(word) ?? [];
    const n = Number(number);
    if (verb === "ping") {
      began = n;
      pair.begin();
    } else if (verb === "met") pair.meet();
    else if (verb === "a") pair.answer(began + n * 200, n % 65_536, 0.2);
    else if (verb === "late") pair.answer(began + n * 200, n, 1200);
    else if (verb === "sent") pair.end(n);
    else if (verb === "killed") pair.cut();
  }
  const { silences, ...counts } = pair.seen(end);
  return { ...counts, gaps: silences.map(({ from, to, open }) => `${from}-${to}${open ? " open" : ""}`) };
}

describe("what became of a pair's packets", () => {
  test.each([
    ["all are answered", "ping0 met a0 a1 a2 sent3", { sent: 3, lost: 0, gaps: [] }],
    ["the last one is not judged", "ping0 met a0 a1 a2 sent4", { sent: 3, lost: 0, gaps: [] }],
    [
      "three are lost: from the answer before to the one after",
      "ping0 met a0 a1 a5 sent6",
      { sent: 6, lost: 3, gaps: ["200-1000"] },
    ],
    [
      "an answer after a second counts as none",
      "ping0 met a0 late1 a2",
      { sent: 3, lost: 1, gaps: ["0-400"] },
    ],
    ["one that comes twice counts once", "ping0 met a0 a1 a1 a0 a2", { sent: 3, lost: 0, gaps: [] }],
    [
      "what was lost before the first answer does not count",
      "ping0 met a7 a8 sent9",
      { sent: 2, lost: 0, gaps: [] },
    ],
    [
      "an answer of who knows whom counts once it is known to be the right one",
      "ping0 a0 a1 met a2 a4",
      { sent: 5, lost: 1, gaps: ["400-800"] },
    ],
    [
      "an answer of somebody else never counts",
      "ping0 a0 a1 sent9 ping3000",
      { reached: false, sent: 0, lost: 0 },
    ],
    [
      "the far container comes back at another address: what the old one did not answer is lost",
      "ping0 met a0 a1 sent8 ping1600 met a0",
      { sent: 8, lost: 5, gaps: ["200-1600"] },
    ],
    [
      "the sender is killed and comes back: nothing was sent meanwhile",
      "ping0 met a0 a1 killed ping2000 met a0",
      { sent: 3, lost: 0, gaps: ["200-2000"] },
    ],
    [
      "a ping that is begun anew at once is no gap",
      "ping0 met a0 a1 sent2 ping500 met a0",
      { sent: 3, lost: 0, gaps: [] },
    ],
    ["no answer any more", "ping0 met a0 a1 sent20", { sent: 19, lost: 17, gaps: ["200-100000 open"] }],
    [
      "the sender was killed and never came back",
      "ping0 met a0 killed",
      { sent: 1, lost: 0, gaps: ["0-100000 open"] },
    ],
    ["nothing was ever answered", "ping0 sent20", { reached: false, sent: 0, lost: 0, gaps: [] }],
    [
      "their numbers begin again after 16 bits",
      "ping0 met a65534 a65535 a65536 a65538",
      { sent: 5, lost: 1, gaps: ["13107200-13107600"] },
    ],
  ])("%s", (_name, story, expected) => {
    expect(seen(story)).toMatchObject(expected);
  });
});

test.each([
  ["@none", { says: "none" }],
  ["@image", { says: "no image" }],
  [
    "12.34 @here 192.168.100.2 631e1b5e1581 0.2",
    { says: "here", address: "192.168.100.2", id: "631e1b5e1581", everyMs: 200 },
  ],
  ["12.34 @ping 192.168.200.2 abc", { says: "ping", address: "192.168.200.2", id: "abc" }],
  ["12.34 @met 192.168.200.2", { says: "met", at: 12_340, address: "192.168.200.2" }],
  [
    "12.34 64 bytes from 192.168.200.2: seq=7 ttl=62 time=0.210 ms",
    { says: "answer", at: 12_340, address: "192.168.200.2", sequence: 7, rttMs: 0.21 },
  ],
  ["12.34 --- 192.168.200.2 ping statistics ---", { says: "ended", address: "192.168.200.2" }],
  ["12.34 9 packets transmitted, 6 packets received, 33% packet loss", { says: "transmitted", packets: 9 }],
  [
    "12.34 @here fd003001000000000000000000000002 631e1b5e1581 0.2",
    { says: "here", address: "fd00:3001::2", id: "631e1b5e1581", everyMs: 200 },
  ],
  [
    "12.34 64 bytes from fd00:30:200::2: seq=7 ttl=62 time=0.210 ms",
    { says: "answer", address: "fd00:30:200::2", sequence: 7, rttMs: 0.21 },
  ],
  ["12.34 --- fd00:30:200::2 ping statistics ---", { says: "ended", address: "fd00:30:200::2" }],
  ["12.34 @unread 3", { says: "unread", packets: 3 }],
  ["12.34 ping: sendto: Network unreachable", { says: "words", text: "ping: sendto: Network unreachable" }],
  ["docker: Error response from daemon", { says: "words", text: "docker: Error response from daemon" }],
])("%s is parsed", (line, expected) => {
  expect(parseLine(line)).toMatchObject(expected);
});
