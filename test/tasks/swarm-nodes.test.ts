import { describe, expect, test } from "vitest";
import { Secret } from "../../src/host/sh.ts";
import type { NodeSeen, SwarmSeen } from "../../tasks/swarm-node.ts";
import { swarmNodes } from "../../tasks/swarm-nodes.ts";
import { planWords } from "./words.ts";

const node = (id: string, role: NodeSeen["role"], state = "ready", address = `10.0.0.${id}`): NodeSeen => ({
  id,
  role,
  state,
  address,
  hostname: `h${id}`,
  reachability: role === "manager" ? "reachable" : "-",
});
const seen = (...nodes: NodeSeen[]): SwarmSeen => ({
  state: "active",
  error: "",
  node: "1",
  address: "10.0.0.1",
  isManager: true,
  liveRestore: false,
  swarm: {
    id: "s",
    pools: [],
    dataPort: 4789,
    isAutolocked: false,
    nodes,
    tokens: { manager: new Secret("m"), worker: new Secret("w") },
  },
});
const hosts = (...ids: string[]) => ids.map((id) => ({ name: `h${id}`, node: id }));
const plan = (
  now: SwarmSeen,
  managers: string[],
  workers: string[],
  part: "promote" | "settle",
  gone: string[] = [],
) =>
  planWords(
    swarmNodes.definition.present(now, {
      managers: hosts(...managers),
      workers: hosts(...workers),
      part,
      gone,
    }),
  );
const three = seen(node("1", "manager"), node("2", "worker"), node("3", "worker"));

describe("swarm-nodes: what a manager sees → exact steps", () => {
  test.each<[string, string[], string[]]>([
    ["as it is", plan(three, ["1"], ["2", "3"], "promote"), []],
    ["as it is, settled", plan(three, ["1"], ["2", "3"], "settle"), []],
    [
      "two more managers",
      plan(three, ["1", "2", "3"], [], "promote"),
      ["swarm node h2: worker → manager", "swarm node h3: worker → manager"],
    ],
    ["a worker that is promoted is no worker to demote", plan(three, ["1", "2"], ["3"], "settle"), []],
    [
      "another manager",
      plan(seen(node("1", "manager"), node("2", "manager")), ["2"], ["1"], "settle"),
      ["swarm node h1: manager → worker"],
    ],
    [
      "a host that leaves the fleet",
      plan(three, ["1"], ["2"], "settle", ["10.0.0.3"]),
      ["swarm node h3: left, or about to leave → forgotten"],
    ],
    [
      "the node that a host was before it joined again",
      plan(
        seen(node("1", "manager"), node("2", "worker"), node("9", "worker", "down", "10.0.0.2")),
        ["1"],
        ["2"],
        "settle",
      ),
      ["swarm node h9: left, or about to leave → forgotten"],
    ],
    [
      "that node while the managers do not know yet that it left",
      plan(
        seen(node("1", "manager"), node("2", "worker"), node("9", "worker", "ready", "10.0.0.2")),
        ["1"],
        ["2"],
        "settle",
      ),
      ["later: not yet settled: the node that h9 was before is not down"],
    ],
    [
      "a node of nobody's in the inventory, up or down",
      plan(seen(node("1", "manager"), node("7", "worker"), node("8", "worker", "down")), ["1"], [], "settle"),
      [],
    ],
    [
      "a host that the managers do not see yet",
      plan(seen(node("1", "manager"), node("2", "worker", "down")), ["1"], ["2", "3"], "settle"),
      ["later: not yet settled: h2 is not ready, h3 is not ready"],
    ],
    [
      "no swarm yet",
      plan({ ...three, state: "inactive", swarm: undefined }, ["1"], ["2"], "settle"),
      ["later: the swarm is started first"],
    ],
  ])("%s", (_, found, expected) => {
    expect(found).toEqual(expected);
  });

  test("without a quorum nothing can be changed", () => {
    expect(() => plan({ ...three, swarm: undefined, error: "no leader" }, ["1"], [], "settle")).toThrow(
      /cannot change the nodes of the swarm/,
    );
  });
});
