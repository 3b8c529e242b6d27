import { expect, test } from "vitest";
import { wireguardInstall } from "../../tasks/wireguard-install.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof wireguardInstall.definition.present>[0];
const nothing: State = { programs: [], kernel: false, tun: false };
const plan = (state: Partial<State>, implementation: "kernel" | "wireguard-go") =>
  planWords(wireguardInstall.definition.present({ ...nothing, ...state }, { implementation }));

test.each<[string, string[], string[]]>([
  [
    "wg alone for a kernel that can",
    plan({ kernel: true }, "kernel"),
    ["package wireguard-tools: — → installed"],
  ],
  [
    "both for wireguard-go",
    plan({ tun: true }, "wireguard-go"),
    ["package wireguard-tools, wireguard-go: — → installed"],
  ],
  [
    "what is missing of them",
    plan({ tun: true, programs: ["wg"] }, "wireguard-go"),
    ["package wireguard-go: — → installed"],
  ],
  ["nothing, when they are there", plan({ tun: true, programs: ["wg", "wireguard-go"] }, "wireguard-go"), []],
])("%s", (_, found, expected) => expect(found).toEqual(expected));

test.each<[string, Partial<State>, "kernel" | "wireguard-go", RegExp]>([
  ["a kernel without it", { tun: true }, "kernel", /kernel of this host has no WireGuard/],
  ["no tun device", { kernel: true }, "wireguard-go", /no \/dev\/net\/tun/],
])("refuses %s", (_, state, how, words) => expect(() => plan(state, how)).toThrow(words));
