import { describe, expect, test } from "vitest";
import { swarmMembers } from "../../tasks/swarm-members.ts";
import { parseNetwork } from "../../tasks/swarm-net/network.ts";
import { swarmNet } from "../../tasks/swarm-net.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof swarmMembers.definition.present>[0];

const web = { name: "web", running: true, address: "10.9.9.2", asked: "" };
const state = (text: string, over: Partial<State> = {}): State => ({
  ...parseNetwork(text),
  members: [],
  left: [],
  ...over,
});
const wanted = { name: "net", subnet: "10.199.0.0/24" };
const plain = "node\noverlay|swarm 10.199.0.0/24 attachable\n";
const other = "node\noverlay|swarm 10.9.9.0/24 attachable\n";
const words = "driver overlay subnet 10.199.0.0/24 attachable";
const make = (now: State, encrypted = false) =>
  planWords(swarmNet.definition.present(now, { ...wanted, encrypted }));
const move = (now: State, part: "leave" | "return") =>
  planWords(swarmMembers.definition.present(now, { ...wanted, part }));

describe("swarm-net: state read → exact steps", () => {
  test.each<[string, State, boolean, string[]]>([
    ["no swarm yet", state(""), false, ["later: the swarm is started first"]],
    ["it is there", state(plain), false, []],
    ["it is not there", state("node\n"), false, [`network net: — → ${words}`]],
    [
      "encrypted",
      state("node\n"),
      true,
      ["network net: — → driver overlay subnet 10.199.0.0/24 opt encrypted= attachable"],
    ],
    ["encrypted already", state("node\noverlay|swarm 10.199.0.0/24 attachable encrypted\n"), true, []],
    [
      "not encrypted any more",
      state("node\noverlay|swarm 10.199.0.0/24 attachable encrypted\n"),
      false,
      [`network net: overlay swarm 10.199.0.0/24 attachable encrypted → ${words}`],
    ],
    ["another subnet", state(other), false, [`network net: overlay swarm 10.9.9.0/24 attachable → ${words}`]],
    [
      "one that services alone can use",
      state("node\noverlay|swarm 10.199.0.0/24\n"),
      false,
      [`network net: overlay swarm 10.199.0.0/24 → ${words}`],
    ],
  ])("%s", (_, now, encrypted, expected) => {
    expect(make(now, encrypted)).toEqual(expected);
  });

  test.each<[string, State, RegExp]>([
    [
      "a network of another driver",
      state("node\nbridge|local 172.18.0.0/16\n"),
      /another network has the name net/,
    ],
    ["one that Docker made without a driver", state("node\n|swarm\n"), /gave it neither driver nor subnet/],
  ])("%s is refused", (_, now, message) => {
    expect(() => make(now)).toThrow(message);
  });
});

describe("swarm-members: state read → exact steps", () => {
  test.each<[string, State, "leave" | "return", string[]]>([
    ["it stays: leave", state(plain, { members: [web] }), "leave", []],
    ["it is not seen: leave", state("node\n"), "leave", []],
    [
      "it is made anew: leave",
      state(other, { members: [web] }),
      "leave",
      ["containers on net: web (10.9.9.2) → disconnected, until it is recreated"],
    ],
    ["nobody left: return", state(plain), "return", []],
    [
      "who left returns",
      state(plain, { left: ["web"] }),
      "return",
      ["containers on net: disconnected → web reconnected"],
    ],
  ])("%s", (_, now, part, expected) => {
    expect(move(now, part)).toEqual(expected);
  });
});
