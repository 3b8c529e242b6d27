import { describe, expect, test } from "vitest";
import { dockerdClusterStore } from "../../tasks/dockerd-cluster-store.ts";
import { fileWith, noFile } from "./files.ts";
import { planWords } from "./words.ts";

const { present } = dockerdClusterStore.definition;
type State = Parameters<typeof present>[0];
type Params = Parameters<typeof present>[1];

const path = "/etc/systemd/system/docker.service.d/causeway-cluster-store.conf";
const wanted: Params = {
  store: "consul://127.0.0.1:8500",
  address: "10.0.0.200",
  api: "closed",
};
const etcd: Partial<Params> = { store: "etcd://10.0.0.200:2379,10.0.0.201:2379" };
const tls: Partial<Params> = {
  api: "tls",
  tls: { ca: "/tls/ca.pem", cert: "/tls/cert.pem", key: "/tls/key.pem" },
};
const command = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS";
const flags = "--cluster-store=consul://127.0.0.1:8500 --cluster-advertise=10.0.0.200:2375";

function state(
  over: Partial<State> & { execStart?: string; commandLine?: string; version?: string } = {},
): State {
  const {
    execStart = command,
    commandLine = "/usr/sbin/dockerd -H fd://",
    version = "20.10.5+dfsg1",
    ...rest
  } = over;
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
      sets: [],
      mainPid: 1,
      execStart,
      commandLine,
    },
    dropIn: noFile(path),
    daemon: noFile("/etc/docker/daemon.json"),
    backend: true,
    nodes: [],
    serf: {},
    missing: [],
    docker0: "172.17.0.1/16",
    ...rest,
  };
}

const plan = (s: State, over: Partial<Params> = {}) => planWords(present(s, { ...wanted, ...over }));

/** The drop-in as the task itself writes it. */
function written(over: Partial<Params> = {}, execStart = command): string {
  const [item] = present(state({ execStart }), { ...wanted, ...over });
  return item && "diff" in item ? (item.diff?.after ?? "") : "";
}

/** The last line of the drop-in: what dockerd is started with. */
const started = (over: Partial<Params> = {}, execStart = command) =>
  written(over, execStart).trim().split("\n").at(-1)?.replace("ExecStart=", "") ?? "";

/** Docker as the task left it. */
const joined = (over: Parameters<typeof state>[0] = {}, by: Partial<Params> = {}) =>
  state({
    execStart: started(by),
    dropIn: fileWith(path, written(by)),
    commandLine: started(by).replace(" $DOCKER_OPTS", ""),
    nodes: ["10.0.0.200:2375"],
    ...over,
  });
const web = { id: "1", name: "web", state: "running", networks: ["bridge"] };
/** A store that knows another Docker, and this one alone for so many seconds. */
const alone = (aloneFor: number) => ({ nodes: ["10.0.0.200:2375", "10.0.0.201:2375"], serf: { aloneFor } });
const busy = { state: "running" as const, version: "20.10.5", networks: [], containers: [web] };
const daemon = (json: string) => state({ daemon: fileWith("/etc/docker/daemon.json", json) });
const write = `file ${path}: — → 8 lines, mode 644`;
const then = " ⇒ daemon-reload, restart docker";
const notYet = "later: Docker has not registered in the store yet";

describe("dockerd-cluster-store: state read → exact steps", () => {
  test("the drop-in is the unit's own command line with the flags, after an empty ExecStart", () => {
    expect(written()).toContain(`\nExecStart=\nExecStart=${command} ${flags}\n`);
    expect(written()).toContain("Wants=consul.service\nAfter=consul.service\n");
  });

  test("etcd: all members in one address, and after etcd's unit where it is on this host", () => {
    expect(started(etcd)).toBe(
      `${command} --cluster-store=etcd://10.0.0.200:2379,10.0.0.201:2379 --cluster-advertise=10.0.0.200:2375`,
    );
    expect(written(etcd)).toContain("Wants=etcd.service\nAfter=etcd.service\n");
  });

  test("members of etcd in another order are the same store, whichever order stands", () => {
    const swapped = { store: "etcd://10.0.0.201:2379,10.0.0.200:2379" };
    expect(started(swapped)).toBe(started(etcd));
    const older = written(etcd).replace("10.0.0.200:2379,10.0.0.201:2379", "10.0.0.201:2379,10.0.0.200:2379");
    const command = older.trim().split("\n").at(-1)?.replace("ExecStart=", "") ?? "";
    const now = joined({ dropIn: fileWith(path, older), execStart: command, commandLine: command });
    for (const { store } of [etcd, swapped]) expect(plan(now, { store: store ?? "" })).toEqual([]);
  });

  test.each<[string, Partial<Params>, string, string]>([
    ["insecure", { api: "insecure" }, command, " -H tcp://10.0.0.200:2375"],
    [
      "insecure, on another address",
      { api: "insecure", api_address: "10.9.0.1" },
      command,
      " -H tcp://10.9.0.1:2375",
    ],
    [
      "a unit that leaves dockerd its own socket: it is kept",
      { api: "insecure" },
      "/usr/bin/dockerd",
      " -H unix:///var/run/docker.sock -H tcp://10.0.0.200:2375",
    ],
    [
      "tls",
      tls,
      command,
      " -H tcp://10.0.0.200:2376 --tlsverify --tlscacert=/tls/ca.pem --tlscert=/tls/cert.pem --tlskey=/tls/key.pem",
    ],
  ])("the API, %s", (_name, over, unit, ending) => {
    const port = over.api === "tls" ? 2376 : 2375;
    const store = `--cluster-store=consul://127.0.0.1:8500 --cluster-advertise=10.0.0.200:${port}`;
    expect(started(over, unit)).toBe(`${unit} ${store}${ending}`);
  });

  test.each<[string, State, Partial<Params>, string[]]>([
    ["a Docker of no store", state(), {}, [`${write}${then}`, notYet]],
    ["joined", joined(), {}, []],
    ["joined, and not registered yet", joined({ nodes: [] }), {}, [notYet]],
    ["joined, where nothing can ask the store", joined({ nodes: undefined }), {}, []],
    ["joined, with containers", joined({ docker: busy }), {}, []],
    [
      "written, but not running with it",
      joined({ commandLine: "/usr/sbin/dockerd -H fd://" }),
      {},
      ["owed: daemon-reload (docker.service)", "owed: restart docker (no store)"],
    ],
    [
      "the API to be opened",
      joined(),
      { api: "insecure" },
      [
        `file ${path}: 8 lines, mode 600 → 8 lines, mode 600, another text; opens the API on 10.0.0.200:2375 WITHOUT TLS: anyone who can reach it is root${then}`,
        notYet,
      ],
    ],
    [
      "alone for now",
      joined(alone(3)),
      {},
      ["later: Docker has not connected to any other host's Docker yet"],
    ],
    [
      "alone for good",
      joined(alone(20)),
      {},
      ["owed: restart docker (it connected to no other host's Docker when it started (TCP and UDP 7946))"],
    ],
    ["alone, the only one of its store", joined({ ...alone(20), nodes: ["10.0.0.200:2375"] }), {}, []],
    ["alone, where nothing can ask the store", joined({ ...alone(20), nodes: undefined }), {}, []],
    ["open", joined({}, { api: "insecure" }), { api: "insecure" }, []],
    [
      "open, to be closed",
      joined({}, { api: "insecure" }),
      {},
      [`file ${path}: 8 lines, mode 600 → 8 lines, mode 600, another text${then}`, notYet],
    ],
    ["open over TLS", joined({ nodes: ["10.0.0.200:2376"] }, tls), tls, []],
  ])("%s", (_name, now, over, expected) => {
    expect(plan(now, over)).toEqual(expected);
  });

  test("closed again, the drop-in is the one without the API", () => {
    const [item] = present(joined({}, { api: "insecure" }), wanted);
    expect(item && "diff" in item ? item.diff?.after : "").toBe(written());
  });

  test.each<[string, State, Partial<Params>, RegExp]>([
    ["Docker 23", state({ version: "23.0.1" }), {}, /no longer supports a cluster store/],
    ["a build without consul", state({ backend: false }), {}, /built without the consul backend/],
    ["a build without etcd", state({ backend: false }), etcd, /built without the etcd backend/],
    [
      "flags of somebody else's",
      state({ execStart: `${command} --cluster-store consul://a:1` }),
      {},
      /cluster store that causeway did not set/,
    ],
    [
      "a key in daemon.json",
      daemon('{"cluster-store": "etcd://a"}'),
      {},
      /cluster store that causeway did not set/,
    ],
    [
      "the article's open port",
      state({ execStart: `${command} -H tcp://0.0.0.0:2375` }),
      {},
      /docker.service itself opens Docker's API/,
    ],
    [
      "hosts in daemon.json, and the API asked for",
      daemon('{"hosts": ["tcp://0.0.0.0:2375"]}'),
      { api: "insecure" },
      /does not start with hosts in two places/,
    ],
    ["tls keys in daemon.json", daemon('{"tlsverify": true}'), tls, /with tlsverify in two places/],
    [
      "a file for TLS is missing",
      state({ missing: ["/tls/key.pem"] }),
      tls,
      /TLS file for the API is missing/,
    ],
    ["TLS without files", state(), { api: "tls" }, /needs three files/],
    ["no Docker", state({ docker: { ...busy, state: "missing", version: "" } }), {}, /not installed/],
  ])("refused before the unit is touched: %s", (_name, now, over, message) => {
    expect(() => plan(now, over)).toThrow(message);
  });
});

test("a host in a swarm is refused: a cluster store would end it", () => {
  const ingress = { id: "1", name: "ingress", driver: "overlay", scope: "swarm", subnets: ["10.0.0.0/24"] };
  const docker = { state: "running", version: "20.10.5", networks: [ingress], containers: [] } as const;
  expect(() => dockerdClusterStore.definition.present(state({ docker }), wanted)).toThrow(
    "this host is in a swarm, which a cluster store would end",
  );
});
