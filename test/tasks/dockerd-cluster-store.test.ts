import { describe, expect, test } from "vitest";
import { dockerdClusterStore } from "../../tasks/dockerd-cluster-store.ts";
import { fileWith, noFile } from "./files.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof dockerdClusterStore.definition.present>[0];

const path = "/etc/systemd/system/docker.service.d/causeway-cluster-store.conf";
const wanted = { store: "consul://127.0.0.1:8500", address: "10.0.0.200", interrupt_containers: false };
const flags = "--cluster-store=consul://127.0.0.1:8500 --cluster-advertise=10.0.0.200:2375";
const command = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS";

function state(
  over: Partial<State> & { execStart?: string; version?: string; running?: string } = {},
): State {
  const { execStart = command, version = "20.10.5+dfsg1", ...rest } = over;
  return {
    docker: { state: "running", version, networks: [], containers: [] },
    unit: {
      name: "docker.service",
      present: true,
      active: "active",
      sub: "running",
      enabled: "enabled",
      needsReload: false,
      fragmentPath: "/lib/systemd/system/docker.service",
      dropIns: [],
      mainPid: 1,
      execStart,
    },
    dropIn: noFile(path),
    daemon: noFile("/etc/docker/daemon.json"),
    backend: true,
    running: "",
    nodes: [],
    ...rest,
  };
}

const plan = (s: State, over: Partial<typeof wanted> = {}) =>
  planWords(dockerdClusterStore.definition.present(s, { ...wanted, ...over }));

/** The drop-in as the task itself writes it. */
function written(execStart = command): string {
  const [item] = dockerdClusterStore.definition.present(state({ execStart }), wanted);
  return item && "diff" in item ? (item.diff?.after ?? "") : "";
}

const joined = (over: Parameters<typeof state>[0] = {}) =>
  state({
    execStart: `${command} ${flags}`,
    dropIn: fileWith(path, written()),
    running: "consul://127.0.0.1:8500 10.0.0.200:2375",
    nodes: ["10.0.0.200:2375"],
    ...over,
  });
const web = { id: "1", name: "web", state: "running", networks: ["bridge"] };
const busy = { state: "running" as const, version: "20.10.5", networks: [], containers: [web] };

describe("dockerd-cluster-store: state read → exact steps", () => {
  test("the drop-in is the unit's own command line with the flags, after an empty ExecStart", () => {
    expect(written()).toContain(`\nExecStart=\nExecStart=${command} ${flags}\n`);
  });

  test.each([
    [
      "a Docker of no store",
      state(),
      [
        `file ${path}: — → 8 lines, mode 644 ⇒ daemon-reload, restart docker`,
        "later: Docker is not in the store yet",
      ],
    ],
    ["joined", joined(), []],
    ["joined, and not registered yet", joined({ nodes: [] }), ["later: Docker is not in the store yet"]],
    ["joined, with containers", joined({ docker: busy }), []],
    [
      "written, but not running with it",
      joined({ running: "" }),
      ["owed: daemon-reload (docker.service)", "owed: restart docker (no store)"],
    ],
  ])("%s", (_name, now, expected) => {
    expect(plan(now)).toEqual(expected);
  });

  test("containers are named, and interrupted only with leave", () => {
    expect(() => plan(state({ docker: busy }))).toThrow(/would stop running containers/);
    expect(plan(state({ docker: busy }), { interrupt_containers: true })[0]).toContain("; interrupts web");
  });

  test.each([
    ["Docker 23", state({ version: "23.0.1" }), /no cluster store any more/],
    ["a build without consul", state({ backend: false }), /built without the consul backend/],
    [
      "flags of somebody else's",
      state({ execStart: `${command} --cluster-store consul://a:1` }),
      /somebody else's/,
    ],
    [
      "a key in daemon.json",
      state({ daemon: fileWith("/etc/docker/daemon.json", '{"cluster-store": "etcd://a"}') }),
      /somebody else's/,
    ],
    ["no Docker", state({ docker: { ...busy, state: "missing", version: "" } }), /not installed/],
  ])("refused before the unit is touched: %s", (_name, now, message) => {
    expect(() => plan(now)).toThrow(message);
  });
});
