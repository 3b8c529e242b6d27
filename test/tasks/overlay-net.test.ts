import { describe, expect, test } from "vitest";
import { overlayNet } from "../../tasks/overlay-net.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof overlayNet.definition.present>[0];
type Part = "leave" | "make" | "see";

const bridge = { id: "2", name: "docker_gwbridge", driver: "bridge", scope: "local", subnets: [] };
const docker = { state: "running" as const, version: "20.10.5", networks: [bridge], containers: [] };
const state = (seen: string | undefined, over: Partial<State> = {}): State => ({
  docker,
  seen,
  endpoints: [],
  members: [],
  left: [],
  ...over,
});
const plan = (now: State, part: Part, subnet = "10.0.2.0/24") =>
  planWords(overlayNet.definition.present(now, { name: "net", subnet, part }));
const made = "overlay global 10.0.2.0/24";
const other = "overlay global 10.0.9.0/24";
const web = { name: "web", running: true, address: "10.0.9.2", asked: "" };
const db = { name: "db", running: false, address: "", asked: "10.0.9.77" };

const network = (from: string) => `network net: ${from} → driver overlay subnet 10.0.2.0/24`;

describe("overlay-net: state read → exact steps", () => {
  test.each<[string, State, Part, string[]]>([
    ["it is there: leave", state(made, { members: [web] }), "leave", []],
    ["it is there: make", state(made), "make", []],
    ["it is there: see", state(made), "see", []],
    ["it is not there: leave", state(undefined), "leave", []],
    ["it is not there: make", state(undefined), "make", [network("—")]],
    [
      "it is not there: see",
      state(undefined),
      "see",
      ["later: this host has not received net from the store yet"],
    ],
    ["another subnet, nobody on it: leave", state(other), "leave", []],
    [
      "another subnet: leave",
      state(other, { members: [web, { ...db, asked: "10.0.2.77" }] }),
      "leave",
      ["containers on net: web (10.0.9.2), db (10.0.2.77) → disconnected, until it is recreated"],
    ],
    ["another subnet: make", state(other), "make", [network(other)]],
    ["another subnet: see", state(other), "see", [`later: it is still ${other}`]],
    [
      "made anew, and who left is to return",
      state(made, { left: ["web", "db"] }),
      "see",
      ["containers on net: disconnected → web, db reconnected"],
    ],
  ])("%s", (_name, now, part, expected) => {
    expect(plan(now, part)).toEqual(expected);
  });

  test("the bridge to the world is made beforehand, so that an undo removes it", () => {
    const fresh = { docker: { ...docker, networks: [] } };
    for (const part of ["leave", "make"] as const) expect(plan(state(made, fresh), part)).toEqual([]);
    expect(plan(state(made, fresh), "see")).toEqual([expect.stringContaining("network docker_gwbridge: —")]);
  });

  test.each([
    ["a network of another driver", state("bridge local 10.0.2.0/24"), /another network has the name net/],
    [
      "an address that somebody asked for, outside of the subnet",
      state(other, { members: [web, db] }),
      /would lose the addresses/,
    ],
  ])("refused before a container leaves: %s", (_name, now, message) => {
    expect(() => plan(now, "leave")).toThrow(message);
  });

  test("its undo is the other half: who left returns, who returned leaves", () => {
    const [leave] = overlayNet.definition.present(state(other, { members: [web] }), {
      name: "net",
      subnet: "10.0.2.0/24",
      part: "leave",
    });
    const [back] = overlayNet.definition.present(state(made, { left: ["web"] }), {
      name: "net",
      subnet: "10.0.2.0/24",
      part: "see",
    });
    expect(leave).toMatchObject({ kind: "members", resource: ["members", "net", "leave"] });
    expect(back).toMatchObject({ kind: "members", resource: ["members", "net", "return"] });
  });
});
