import { describe, expect, test } from "vitest";
import { keptRule } from "../../src/kinds/rule/rule.ts";
import { peerPorts } from "../../tasks/peer-ports.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof peerPorts.definition.present>[0];

const wanted = { tcp: [2375], from: ["10.0.0.201"], comment: "causeway:api" };
const nothing: State = {
  rules: { present: true, rules: [], policies: new Map() },
  kept: { enabled: false, lines: [] },
};
const plan = (state: State) => planWords(peerPorts.definition.present(state, wanted));

describe("peer-ports: state read → exact steps", () => {
  test("closed first, then open in front of that: this host, and who may reach it", () => {
    expect(plan(nothing)).toEqual([
      "rule filter INPUT -p tcp -m multiport --dports 2375 -j DROP: — → first in its chain",
      "rule filter INPUT -s 127.0.0.0/8 -p tcp -m multiport --dports 2375 -j ACCEPT: — → first in its chain",
      "rule filter INPUT -s 10.0.0.201/32 -p tcp -m multiport --dports 2375 -j ACCEPT: — → first in its chain",
    ]);
  });

  test("in place", () => {
    const specs = [
      "-s 10.0.0.201/32 -p tcp -m multiport --dports 2375 -j ACCEPT",
      "-s 127.0.0.0/8 -p tcp -m multiport --dports 2375 -j ACCEPT",
      "-p tcp -m multiport --dports 2375 -j DROP",
    ];
    const rules = specs.map((spec) => ({
      table: "filter",
      chain: "INPUT",
      spec: spec.replace(" -j", " -m comment --comment causeway:api -j"),
    }));
    const lines = specs.map((spec) =>
      keptRule({ table: "filter", chain: "INPUT", spec, comment: "causeway:api", place: "first" }),
    );
    expect(plan({ rules: { ...nothing.rules, rules }, kept: { enabled: true, lines } })).toEqual([]);
  });

  test("without iptables it is refused", () => {
    const state = { ...nothing, rules: { ...nothing.rules, present: false } };
    expect(() => plan(state)).toThrow(/iptables is not installed/);
  });
});
