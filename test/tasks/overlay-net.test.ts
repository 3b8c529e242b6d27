import { describe, expect, test } from "vitest";
import { overlayNet } from "../../tasks/overlay-net.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof overlayNet.definition.present>[0];

const bridge = { id: "2", name: "docker_gwbridge", driver: "bridge", scope: "local" };
const state = (seen: string | undefined, over: Partial<State> = {}): State => ({
  docker: { state: "running", version: "20.10.5", networks: [bridge], containers: [] },
  seen,
  members: [],
  ...over,
});
const wanted = { name: "net", subnet: "10.0.2.0/24", create: true };
const plan = (now: State, create = true) =>
  planWords(overlayNet.definition.present(now, { ...wanted, create }));
const made = "overlay global 10.0.2.0/24";

describe("overlay-net: state read → exact steps", () => {
  test.each([
    ["it is there", state(made), true, 0, ""],
    ["it is not there, on the host that makes it", state(undefined), true, 1, "overlay subnet 10.0.2.0/24"],
    ["it is not seen yet, on another host", state(undefined), false, 1, "has not told this host of net yet"],
    [
      "another subnet, on the host that makes it",
      state("overlay global 10.0.9.0/24"),
      true,
      1,
      "10.0.9.0/24",
    ],
    ["another subnet, on another host", state("overlay global 10.0.9.0/24"), false, 1, "is still overlay"],
  ])("%s", (_name, now, create, count, words) => {
    const items = plan(now, create);
    expect(items).toHaveLength(count);
    expect(items.join("\n")).toContain(words);
  });

  test("the bridge to the world is made beforehand, so that an undo takes it away", () => {
    const items = plan(state(made, { docker: { ...state(made).docker, networks: [] } }), false);
    expect(items).toHaveLength(1);
    expect(items[0]).toContain("docker_gwbridge");
  });

  test.each([
    ["a network of another driver", state("bridge local 10.0.2.0/24"), /another network of the name net/],
    [
      "containers that would lose their network",
      state("overlay global 10.0.9.0/24", {
        members: [{ name: "web", running: true, address: "10.0.9.2", asked: "" }],
      }),
      /has to be made anew, and containers are on it/,
    ],
  ])("refused: %s", (_name, now, message) => {
    expect(() => plan(now)).toThrow(message);
  });
});
