import { definePlaybook, Type } from "causeway";
import { schemes } from "../../../playbooks/schemes/index.ts";
import { pingCheck } from "../../../tasks/ping-check.ts";

/** The proof alone, of whatever wire a test says; nothing on the hosts is repaired first. */
export default definePlaybook({
  name: "prove",
  summary: "Prove one wire",
  vars: Type.Object({
    wire: Type.String({ description: "the name of a scheme's wire" }),
    network: Type.String({ default: "bridge" }),
    all_pairs_up_to: Type.Integer({ default: 16 }),
    apart: Type.Boolean({ default: false, description: "whether all pairs are expected apart" }),
  }),
  hosts: "docker",
  plays: [],
  verify: ({ hosts }) => {
    const [first] = hosts;
    if (!first) return [];
    const { wire: name, network, apart, all_pairs_up_to } = first.vars;
    const wire = schemes.flatMap(({ wires }) => wires).find((one) => one.name === name);
    if (wire === undefined) throw new Error(`no scheme has the wire ${name}`);
    const pairs = hosts.flatMap((from) =>
      hosts
        .filter((to) => apart && to !== from)
        .map((to) => ({ from: from.name, to: to.name, expected: "unreachable" as const })),
    );
    const names = network !== "bridge";
    const packets = { image: "busybox", count: 3, source: "preserved" } as const;
    return [pingCheck({ network, ...packets, wire, names, pairs, all_pairs_up_to })];
  },
});
