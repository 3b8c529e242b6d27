import { parseRules } from "../../src/host/tools/iptables.ts";
import { flanneldConfig } from "../../tasks/flanneld-config.ts";
import { fileWith, noFile } from "./files.ts";
import { keptLines } from "./firewall.ts";
import { planWords } from "./words.ts";

export type State = Parameters<typeof flanneldConfig.definition.present>[0];
export type Wanted = Parameters<typeof flanneldConfig.definition.present>[1];

export const wanted: Wanted = {
  endpoints: ["http://10.0.0.200:2379"],
  prefix: "/atomic.io/network",
  network: "192.168.0.0/16",
  subnet_len: 24,
  backend: "vxlan",
  address: "10.0.0.200",
  comment: "causeway:flannel",
};

export const unit = (name: string, over: Partial<State["docker"]>): State["docker"] => ({
  name,
  present: true,
  active: "active",
  sub: "running",
  enabled: "enabled",
  needsReload: false,
  fragmentPath: "",
  dropIns: [],
  sets: [],
  mainPid: 1,
  execStart: "",
  commandLine: "",
  ...over,
});

export const address = (dev: string, cidr: string) => ({
  dev,
  cidr,
  address: cidr.replace(/\/.*/, ""),
  prefix: Number(cidr.replace(/.*\//, "")),
});
export const rule = "-s 192.168.0.0/16 -d 192.168.0.0/16 -m comment --comment causeway:flannel -j ACCEPT";
export const lease = (mtu = 1450) =>
  `FLANNEL_NETWORK=192.168.0.0/16\nFLANNEL_SUBNET=192.168.81.1/24\nFLANNEL_MTU=${mtu}\nFLANNEL_IPMASQ=true\n`;
export const options = (mtu = 1450) =>
  `DOCKER_OPT_BIP="--bip=192.168.81.1/24"\nDOCKER_OPT_IPMASQ="--ip-masq=false"\nDOCKER_OPT_MTU="--mtu=${mtu}"\nDOCKER_NETWORK_OPTIONS=" --bip=192.168.81.1/24 --ip-masq=false --mtu=${mtu}"\n`;

export const paths = {
  binary: "/usr/local/bin/flanneld",
  packaged: "/usr/bin/flanneld",
  unit: "/etc/systemd/system/flanneld.service",
  options: "/usr/local/lib/causeway/flannel-docker-options",
  device: "/usr/local/lib/causeway/flannel-device",
  link: "/etc/systemd/network/10-flannel.link",
  dropIn: "/etc/systemd/system/docker.service.d/50-causeway-flannel.conf",
  daemon: "/etc/docker/daemon.json",
  lease: "/run/flannel/subnet.env",
  docker: "/run/flannel/docker",
};

/** A host with Docker and a flanneld binary, and nothing of ours. */
export function bare(over: Partial<State> = {}): State {
  const files = Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, noFile(path)]));
  return {
    files: { ...files, binary: { ...fileWith(paths.binary, ""), mode: "755" } } as State["files"],
    settings: noFile("/etc/default/flanneld"),
    backup: noFile("/etc/default/flanneld.bak"),
    local: undefined,
    versions: { binary: { code: 0, said: "v0.13.0" }, packaged: { code: 0, said: "" } },
    programs: {
      note: noFile("/usr/local/lib/causeway/flannel.source"),
      files: [fileWith(paths.binary, "")],
    },
    store: { version: "3.3.25", withoutV2: false },
    replaced: false,
    flanneld: unit("flanneld.service", { present: false, active: "inactive", enabled: "" }),
    docker: unit("docker.service", { execStart: "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS" }),
    daemon: { state: "running", version: "20.10.5", networks: [], containers: [] },
    addresses: [address("eth0", "10.0.0.200/24"), address("docker0", "172.17.0.1/16")],
    links: [{ name: "eth0", index: 2, mtu: 1500, up: true }],
    routes: [],
    rules: parseRules(`*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER ${rule}`),
    kept: keptLines(`filter -I DOCKER-USER ${rule}`),
    otherRules: undefined,
    forwarding: { running: "1", files: [] },
    said: "",
    ...over,
  };
}

export const diffs = (s: State, want = wanted) =>
  new Map(
    flanneldConfig.definition
      .present(s, want)
      .flatMap((i) => ("diff" in i && i.diff ? [[i.diff.path, i.diff.after] as const] : [])),
  );

/** The same host with everything in its place; `mtu` is what the running flanneld's lease says. */
export function joined(over: Partial<State> = {}, mtu = 1450): State {
  const first = diffs(bare());
  const has = (path: string, mode = "644") => ({ ...fileWith(path, first.get(path) ?? ""), mode });
  const running = unit("flanneld.service", {});
  const files: State["files"] = {
    ...bare().files,
    unit: has(paths.unit),
    options: has(paths.options, "755"),
    device: has(paths.device, "755"),
    link: has(paths.link),
    lease: fileWith(paths.lease, lease(mtu)),
    docker: fileWith(paths.docker, options(mtu)),
  };
  const most: State = {
    ...bare(),
    settings: has("/etc/default/flanneld"),
    files,
    flanneld: running,
    links: [...bare().links, { name: "flannel.1", index: 5, mtu: 1450, up: true, kind: "vxlan" }],
  };
  const dropIn =
    diffs({
      ...most,
      ...(mtu === 1450
        ? {}
        : {
            files: {
              ...files,
              lease: fileWith(paths.lease, lease()),
              docker: fileWith(paths.docker, options()),
            },
          }),
    }).get(paths.dropIn) ?? "";
  return {
    ...most,
    files: { ...files, dropIn: fileWith(paths.dropIn, dropIn) },
    addresses: [address("eth0", "10.0.0.200/24"), address("docker0", "192.168.81.1/24")],
    ...over,
  };
}

export const plan = (s: State, over: Partial<Wanted> = {}) =>
  planWords(flanneldConfig.definition.present(s, { ...wanted, ...over }));
export const web = { id: "1", name: "web", state: "running", networks: ["bridge"] };
