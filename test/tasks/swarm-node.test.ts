import { describe, expect, test } from "vitest";
import { Secret } from "../../src/host/sh.ts";
import { parseSwarm, swarmNode } from "../../tasks/swarm-node.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof swarmNode.definition.present>[0];
type Params = Parameters<typeof swarmNode.definition.present>[1];

const cluster = (over: object = {}) => ({
  NodeID: "7p3k",
  NodeAddr: "10.0.0.201",
  LocalNodeState: "active",
  ControlAvailable: true,
  Error: "",
  Cluster: {
    ID: "sbkc",
    Spec: { EncryptionConfig: { AutoLockManagers: false } },
    DefaultAddrPool: ["10.200.0.0/16"],
    SubnetSize: 24,
    DataPathPort: 4789,
  },
  ...over,
});
const said = (swarm: object, liveRestore = false) => JSON.stringify({ swarm, liveRestore });
/** As Docker 28.5.2 says it on a manager of three. */
const nodes = `@node mov5 ready manager 10.0.0.200 reachable 10.0.0.200:2377 docker-200
@node 7p3k ready manager 0.0.0.0 reachable 10.0.0.201:2377 docker-201
@node a12b down worker 10.0.0.202 - - docker-202
@manager SWMTKN-1-m
@worker SWMTKN-1-w`;
const none = { NodeID: "", NodeAddr: "", LocalNodeState: "inactive", ControlAvailable: false, Error: "" };

const bridge = { id: "2", name: "docker_gwbridge", driver: "bridge", scope: "local", subnets: [] };
const unit = { active: "active", enabled: "enabled" } as State["unit"];
const state = (text: string, over: Partial<State> = {}): State => ({
  seen: parseSwarm(text),
  docker: { state: "running", version: "28.5.2", networks: [bridge], containers: [] },
  unit,
  docker0: "172.17.0.1/16",
  ...over,
});
const worker: Params = { address: "10.0.0.201", role: "worker" };
const token = new Secret("SWMTKN-1-w");
const start = { data_port: 4789, pool: "10.200.0.0/16", prefix: 24 };
const plan = (now: State, wanted: Params) => planWords(swarmNode.definition.present(now, wanted));
const made =
  "network docker_gwbridge: — → driver bridge opt com.docker.network.bridge.name=docker_gwbridge opt com.docker.network.bridge.enable_icc=false opt com.docker.network.bridge.enable_ip_masquerade=true";

describe("what Docker says of a swarm", () => {
  test("on a manager: the swarm, its nodes at the addresses of managers, and tokens that are not shown", () => {
    const seen = parseSwarm(`${said(cluster())}\n${nodes}\n`);
    expect(seen).toMatchObject({
      state: "active",
      node: "7p3k",
      address: "10.0.0.201",
      isManager: true,
      swarm: { id: "sbkc", pools: ["10.200.0.0/16"], dataPort: 4789, isAutolocked: false },
    });
    expect(
      seen.swarm?.nodes.map(({ id, state, role, address }) => `${id} ${state} ${role} ${address}`),
    ).toEqual([
      "mov5 ready manager 10.0.0.200",
      "7p3k ready manager 10.0.0.201",
      "a12b down worker 10.0.0.202",
    ]);
    expect(seen.swarm?.tokens.worker.reveal()).toBe("SWMTKN-1-w");
    expect(JSON.stringify(seen)).not.toContain("SWMTKN");
  });

  test("elsewhere: what there is", () => {
    expect(parseSwarm("missing\n").state).toBe("missing");
    expect(parseSwarm("stopped\n")).toMatchObject({ state: "stopped", error: "" });
    expect(parseSwarm(`${said(none)}\n`)).toMatchObject({ state: "inactive", swarm: undefined });
    expect(parseSwarm(said(cluster({ ControlAvailable: false, Cluster: null }))).swarm).toBeUndefined();
  });
});

describe("swarm-node: state read → exact steps", () => {
  test.each<[string, State, Params, string[]]>([
    ["a node already", state(`${said(cluster())}\n${nodes}`), { ...worker, role: "manager" }, []],
    ["a worker already", state(said(cluster({ ControlAvailable: false, Cluster: null }))), worker, []],
    [
      "the one that starts it, with the bridge before",
      state(said(none), { docker: { state: "running", version: "28.5.2", networks: [], containers: [] } }),
      { ...worker, role: "manager", start },
      [
        made,
        "swarm: — → manager of a new swarm at 10.0.0.201, networks out of 10.200.0.0/16, packets on UDP 4789",
      ],
    ],
    [
      "one that joins",
      state(said(none)),
      { ...worker, token, managers: ["10.0.0.200", "10.0.0.202"] },
      ["swarm: — → worker at 10.0.0.201, through 10.0.0.200, 10.0.0.202"],
    ],
    ["a token that is not there yet", state(said(none)), worker, ["later: the swarm is started first"]],
    [
      "a Docker that does not run",
      state("stopped", { unit: { ...unit, active: "inactive" } }),
      { ...worker, token, managers: ["10.0.0.200"] },
      ["unit docker.service: enabled, inactive → active", "later: Docker is started first"],
    ],
  ])("%s", (_, now, wanted, expected) => {
    expect(plan(now, wanted)).toEqual(expected);
  });

  test("the token is in the script that joins alone, and marked there", () => {
    const [step] = swarmNode.definition.present(state(said(none)), {
      ...worker,
      token,
      managers: ["10.0.0.200"],
    });
    if (!step || !("perform" in step)) throw new Error("no step");
    const { perform, ...rest } = step;
    expect(perform.secrets).toEqual(["SWMTKN-1-w"]);
    expect(JSON.stringify(rest)).not.toContain("SWMTKN");
  });

  test.each<[string, string, RegExp]>([
    ["no Docker", "missing", /^Docker is not installed/],
    ["a stopped node", "stopped node", /^Docker does not run, and the host is a node/],
    ["a locked swarm", said(cluster({ LocalNodeState: "locked" })), /^the swarm is locked/],
    ["a node that waits", said(cluster({ LocalNodeState: "pending" })), /reaches no manager$/],
    [
      "a node in error",
      said(cluster({ LocalNodeState: "error", Error: "x509: expired" })),
      /cannot be what it was/,
    ],
    ["no quorum", said(cluster({ Error: "rpc error: The swarm does not have a leader" })), /^no quorum: /],
    ["live-restore", said(none, true), /^live-restore and a swarm exclude each other/],
  ])("%s is refused", (_, text, message) => {
    expect(() => plan(state(text), worker)).toThrow(message);
  });
});
