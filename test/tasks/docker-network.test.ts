import { describe, expect, test } from "vitest";
import { dockerNetwork, specLabel } from "../../tasks/docker-network.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof dockerNetwork.definition.present>[0];

const wanted = { name: "backend", driver: "bridge", subnet: "172.28.0.0/24" } as const;
const other = {
  id: "1",
  name: "other",
  driver: "bridge",
  scope: "local",
  subnets: ["172.29.0.0/16"],
  bridge: "br-1",
};
const docker = { state: "running", version: "20.10.5", networks: [other], containers: [] } as const;
const bare: State = { docker, network: undefined, addresses: [{ dev: "br-1", cidr: "172.29.0.1/16" }] };
const items = (state: Partial<State>, more: object = {}) =>
  dockerNetwork.definition.present({ ...bare, ...state }, { ...wanted, ...more });
const plan = (...given: Parameters<typeof items>) => planWords(items(...given));

/** The label that the network gets. */
const specOf = (more: object = {}) =>
  new RegExp(`${specLabel}=(\\w+)`).exec(plan({}, more).join())?.[1] ?? "none";

describe("docker-network: state read → exact steps", () => {
  test("none yet", () => {
    expect(plan({}, { internal: true, options: { a: "b" } })).toEqual([
      `network backend: — → driver bridge subnet 172.28.0.0/24 opt a=b label ${specLabel}=${specOf({ internal: true, options: { a: "b" } })} internal`,
    ]);
  });

  test("ours, in place, whatever order its parameters are written in", () => {
    const network = { driver: "bridge", subnets: ["172.28.0.0/24"], spec: specOf() };
    expect(plan({ network })).toEqual([]);
    const { name, ...rest } = wanted;
    expect(dockerNetwork.definition.present({ ...bare, network }, { ...rest, name })).toEqual([]);
  });

  test("ours, and it is to be another", () => {
    const network = { driver: "bridge", subnets: ["172.27.0.0/24"], spec: "0123456789abcdef" };
    expect(plan({ network })).toEqual([
      `network backend: bridge 172.27.0.0/24 → driver bridge subnet 172.28.0.0/24 label ${specLabel}=${specOf()}`,
    ]);
  });

  test("somebody else's that fits is used; one that does not is refused", () => {
    const network = { driver: "bridge", subnets: ["172.28.0.0/24"], spec: undefined };
    expect(plan({ network })).toEqual([]);
    expect(() => plan({ network: { ...network, driver: "macvlan" } })).toThrow("is somebody else's");
    expect(() => plan({ network: { ...network, subnets: ["172.27.0.0/24"] } })).toThrow("is somebody else's");
    expect(() => plan({ network }, { internal: true })).toThrow("is somebody else's");
  });

  test("a subnet of another network, or of the host, is refused", () => {
    expect(() => plan({}, { subnet: "172.29.1.0/24" })).toThrow("172.29.1.0/24 is not free");
    expect(() => plan({ addresses: [{ dev: "eth0", cidr: "172.28.0.9/24" }] })).toThrow("is not free");
  });

  test("without Docker it is refused; where it does not run yet it waits", () => {
    expect(() => plan({ docker: { ...docker, state: "missing" } })).toThrow("Docker is not installed");
    expect(plan({ docker: { ...docker, state: "stopped" } })).toEqual(["later: Docker does not run yet"]);
  });
});
