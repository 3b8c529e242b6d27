import {
  type Address,
  type DockerState,
  type FileState,
  type Kept,
  type Link,
  type LocalFile,
  localFile,
  localOutput,
  type OtherIptables,
  type Programs,
  type Reader,
  type Route,
  type Rules,
  readPrograms,
  readSysctl,
  type SysctlState,
  sh,
  type UnitState,
} from "causeway";
import { askStore, type StoreAnswer, storeAnswer } from "./etcd-api.ts";
import type { Params } from "./params.ts";

export const paths = {
  /** Where a flanneld of one's own lies, and where one that was given is put. */
  binary: "/usr/local/bin/flanneld",
  /** Where a distribution's package puts it. */
  packaged: "/usr/bin/flanneld",
  unit: "/etc/systemd/system/flanneld.service",
  options: "/usr/local/lib/causeway/flannel-docker-options",
  device: "/usr/local/lib/causeway/flannel-device",
  link: "/etc/systemd/network/10-flannel.link",
  dropIn: "/etc/systemd/system/docker.service.d/50-causeway-flannel.conf",
  daemon: "/etc/docker/daemon.json",
  lease: "/run/flannel/subnet.env",
  docker: "/run/flannel/docker",
} as const;

export interface State {
  files: Readonly<Record<keyof typeof paths, FileState>>;
  /** Where the settings lie: /etc/sysconfig, where a distribution has it, else /etc/default. */
  settings: FileState;
  /** The article's copy of them, `.bak`. */
  backup: FileState;
  /** The controller's flanneld, and what it says to --version there; empty where it cannot be run. */
  local: (LocalFile & { version: string }) | undefined;
  /** The same of those on the host, and the code with which they ended. */
  versions: Readonly<Record<"binary" | "packaged", { code: number; said: string }>>;
  /** What came out of an archive. */
  programs: Programs;
  store: StoreAnswer;
  flanneld: UnitState;
  /** Whether the running flanneld was started from a file that has been replaced since. */
  replaced: boolean;
  docker: UnitState;
  daemon: DockerState;
  addresses: readonly Address[];
  links: readonly Link[];
  routes: readonly Route[];
  rules: Rules;
  /** Those of the other backend of iptables. */
  otherRules: OtherIptables | undefined;
  kept: Kept;
  forwarding: SysctlState;
  /** flanneld's own last line. */
  said: string;
}

export async function readState(host: Reader, wanted: Params): Promise<State> {
  const names = Object.keys(paths) as (keyof typeof paths)[];
  const running = ["unit:flanneld.service"];
  // flanneld's unit before its files: once it is active, they are all there.
  const [flanneld, contents, sysconfig, red, redBackup, other, otherBackup, docker, daemon] =
    await Promise.all([
      host.unit("flanneld.service"),
      Promise.all(names.map((name) => host.file(paths[name]))),
      host.read(sh`[ -d /etc/sysconfig ]`, { looksAt: [] }),
      host.file("/etc/sysconfig/flanneld"),
      host.file("/etc/sysconfig/flanneld.bak"),
      host.file("/etc/default/flanneld"),
      host.file("/etc/default/flanneld.bak"),
      host.unit("docker.service"),
      host.docker(),
    ]);
  const [addresses, links, routes, rules, otherRules, kept, forwarding] = await Promise.all([
    host.addresses(),
    host.links(),
    host.routes(),
    host.rules(),
    host.otherRules(),
    host.kept("rules"),
    readSysctl(host, "net.ipv4.ip_forward"),
  ]);
  const [programs, binary, packaged, store, exe, said] = await Promise.all([
    readPrograms(host, "flannel", ["flanneld"]),
    versionAt(host, paths.binary),
    versionAt(host, paths.packaged),
    host.read(askStore(wanted), { looksAt: ["shared:etcd", "package", "unit:etcd.service", "rule"] }),
    host.read(sh`readlink /proc/$(systemctl show -p MainPID flanneld.service | cut -d = -f 2)/exe`, {
      looksAt: [...running, `file:${paths.binary}`, "package"],
    }),
    host.read(sh`journalctl -u flanneld -n 1 -o cat --no-pager`, { looksAt: running }),
  ]);
  const red_hat = sysconfig.code === 0;
  return {
    files: Object.fromEntries(names.map((name, i) => [name, contents[i]])) as State["files"],
    settings: red_hat ? red : other,
    backup: red_hat ? redBackup : otherBackup,
    local:
      wanted.binary === undefined
        ? undefined
        : { ...localFile(wanted.binary), version: localOutput(wanted.binary, ["--version"]) },
    versions: { binary, packaged },
    programs,
    store: storeAnswer(store.stdout),
    flanneld,
    replaced: exe.stdout.trim().endsWith(" (deleted)"),
    docker,
    daemon,
    addresses,
    links,
    routes,
    rules,
    otherRules,
    kept,
    forwarding,
    said: said.stdout.trim(),
  };
}

/** 0.7 to 0.20 print it to standard error. */
async function versionAt(host: Reader, path: string): Promise<{ code: number; said: string }> {
  const script = sh`[ -f ${path} ] || exit 0; timeout 5 ${path} --version 2>&1`;
  const { code, stdout } = await host.read(script, { looksAt: [`file:${path}`, "package"] });
  return { code, said: stdout.trim() };
}
