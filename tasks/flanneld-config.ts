import {
  AbsolutePath,
  type Address,
  CausewayError,
  Cidr,
  canonicalRule,
  contains,
  type DockerState,
  daemonReload,
  defineTask,
  type FileState,
  Ipv4,
  type Kept,
  keptRule,
  type Link,
  type LocalFile,
  later,
  localFile,
  networkOf,
  owed,
  type PlanItem,
  parseAddress,
  type Route,
  type RuleStep,
  type Rules,
  readJson,
  restart,
  routeProtocol,
  type Static,
  type Step,
  sh,
  step,
  Type,
  type UnitState,
} from "causeway";

const params = Type.Object(
  {
    endpoints: Type.Array(Type.String(), { minItems: 1, description: "the URLs of etcd's members" }),
    prefix: Type.String({ pattern: "^(/[\\w.-]+)+$", description: "the folder of flannel's keys in etcd" }),
    network: Cidr({ description: "the network that all hosts' subnets are cut from" }),
    subnet_len: Type.Integer({
      minimum: 8,
      maximum: 30,
      description: "the prefix length of one host's subnet",
    }),
    backend: Type.Union([Type.Literal("udp"), Type.Literal("vxlan"), Type.Literal("host-gw")], {
      description: "how packets travel between the hosts",
    }),
    address: Ipv4({ description: "this host's own address, by which its peers send to it" }),
    binary: Type.Optional(
      AbsolutePath({ description: "flanneld as a file of the controller; the one on the host unless given" }),
    ),
    interrupt_containers: Type.Boolean({
      default: false,
      description: "whether running containers on docker0 may lose their network to a restart of Docker",
    }),
    comment: Type.String({
      default: "causeway:flannel",
      pattern: "^[\\w:.-]+$",
      description: "who owns the rule; iptables-save shows it",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

const paths = {
  binary: "/usr/local/bin/flanneld",
  unit: "/etc/systemd/system/flanneld.service",
  options: "/usr/local/lib/causeway/flannel-docker-options",
  link: "/etc/systemd/network/10-flannel.link",
  dropIn: "/etc/systemd/system/docker.service.d/50-causeway-flannel.conf",
  daemon: "/etc/docker/daemon.json",
  lease: "/run/flannel/subnet.env",
  docker: "/run/flannel/docker",
} as const;

const marker = "# Written by causeway (flanneld-config).";
/** By how much a packet grows on its way. */
const overhead = { udp: 28, vxlan: 50, "host-gw": 0 };

interface State {
  files: Readonly<Record<keyof typeof paths, FileState>>;
  /** Where the settings lie: /etc/sysconfig, where a distribution has it, else /etc/default. */
  settings: FileState;
  /** The controller's flanneld. */
  local: LocalFile | undefined;
  flanneld: UnitState;
  docker: UnitState;
  daemon: DockerState;
  addresses: readonly Address[];
  links: readonly Link[];
  routes: readonly Route[];
  rules: Rules;
  kept: Kept;
  forwarding: string | undefined;
  /** Whether flanneld has been at work since the boot. */
  traces: boolean;
  /** flanneld's own last line. */
  said: string;
}

/** What subnet.env says: the lease that the running flanneld holds. */
interface Lease {
  network: string;
  /** docker0's address with its prefix. */
  subnet: string;
  mtu: number;
  masqueraded: string;
}

/**
 * flanneld, and Docker behind it: ready only with a lease, Docker's options made from it at that moment, docker0 with the
 * leased address. The backend is read by flanneld at its start only, so that the running lease decides what is owed.
 */
export const flanneldConfig = defineTask({
  name: "flanneld-config",
  summary: "flanneld with a lease, and docker0 in the leased subnet",
  params,
  key: () => "flanneld",
  settles: "30s",
  read: async (host, { binary }): Promise<State> => {
    const names = Object.keys(paths) as (keyof typeof paths)[];
    const [contents, sysconfig, red, other, flanneld, docker, daemon, addresses, links, routes] =
      await Promise.all([
        Promise.all(names.map((name) => host.file(paths[name]))),
        host.read(sh`[ -d /etc/sysconfig ]`, { looksAt: [] }),
        host.file("/etc/sysconfig/flanneld"),
        host.file("/etc/default/flanneld"),
        host.unit("flanneld.service"),
        host.unit("docker.service"),
        host.docker(),
        host.addresses(),
        host.links(),
        host.routes(),
      ]);
    const [rules, kept, forwarding, traces, said] = await Promise.all([
      host.rules(),
      host.kept(),
      host.sysctl("net.ipv4.ip_forward"),
      host.read(sh`[ -d /run/flannel ]`, { looksAt: ["unit:flanneld.service", "file:/run/flannel"] }),
      host.read(sh`journalctl -u flanneld -n 1 -o cat --no-pager`, { looksAt: ["unit:flanneld.service"] }),
    ]);
    return {
      files: Object.fromEntries(names.map((name, i) => [name, contents[i]])) as State["files"],
      settings: sysconfig.code === 0 ? red : other,
      local: binary === undefined ? undefined : localFile(binary),
      flanneld,
      docker,
      daemon,
      addresses,
      links,
      routes,
      rules,
      kept,
      forwarding,
      traces: traces.code === 0,
      said: said.stdout.trim(),
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutDocker(state);
    refuseWithoutFlanneld(state);
    refuseKeysOfDaemon(state);
    refuseFlag(state);
    const lease = leaseOf(state.files.lease);
    const joined = state.files.dropIn.content === dropInText(state);
    const docker0 = state.addresses.find((a) => a.dev === "docker0")?.cidr;
    const stale = lease && staleness(lease, state, wanted);
    if (!joined || stale || docker0 !== lease?.subnet) refuseInterruption(state, wanted);

    const steps = [
      ...missingFiles(state, wanted),
      ...leftovers(state, wanted, lease),
      ...forwarding(state, wanted),
    ];
    const { flanneld } = state;
    if (flanneld.enabled !== "enabled" || !["active", "activating"].includes(flanneld.active))
      return [...steps, ...(state.traces ? [] : [traces(wanted)]), start(flanneld), later("no lease yet")];
    if (flanneld.active !== "active" || !lease)
      return [...steps, later(`no lease yet: flanneld says “${state.said}”`)];
    if (stale) return [...steps, owed(restart("flanneld"), stale)];
    if (!joined) return [...steps, ...earlierAddress(docker0, lease), join(state)];
    const reload = state.docker.needsReload
      ? [owed(daemonReload, "docker.service is not what is loaded")]
      : [];
    if (docker0 === lease.subnet && state.docker.active === "active") return [...steps, ...reload];
    return [...steps, ...reload, owed(restart("docker"), dockerWords(state, docker0, lease))];
  },
});

function leaseOf({ content }: FileState): Lease | undefined {
  const value = (key: string) => new RegExp(`^FLANNEL_${key}=(.*)$`, "m").exec(content)?.[1];
  const [network, subnet, mtu] = [value("NETWORK"), value("SUBNET"), value("MTU")];
  if (!network || !subnet || !mtu) return undefined;
  return { network, subnet, mtu: Number(mtu), masqueraded: value("IPMASQ") ?? "false" };
}

/** Why the running flanneld has to be started anew: it read another configuration, or Docker's options are not its lease's. */
function staleness(lease: Lease, state: State, wanted: Params): string | undefined {
  const { network, subnet_len, backend, address } = wanted;
  if (lease.network !== network) return `flanneld runs with the network ${lease.network}`;
  if (!lease.subnet.endsWith(`/${subnet_len}`)) return `flanneld runs with the subnet ${lease.subnet}`;
  const dev = state.addresses.find((a) => a.address === address)?.dev;
  const mtu = (state.links.find((l) => l.name === dev)?.mtu ?? 1500) - overhead[backend];
  if (lease.mtu !== mtu) return `flanneld runs with an MTU of ${lease.mtu}, and ${backend} has ${mtu} here`;
  if (backend === "vxlan" && !state.links.some((l) => l.name === "flannel.1")) return "flannel.1 is gone";
  if (state.files.docker.content !== optionsText(lease)) return `${paths.docker} is not of this lease`;
  return undefined;
}

function dockerWords({ docker }: State, docker0: string | undefined, { subnet }: Lease): string {
  if (docker0 !== subnet) return `docker0 has ${docker0 ?? "no address"}, the lease is ${subnet}`;
  return `docker.service is ${docker.active}`;
}

/** The article's four lines, as mk-docker-opts.sh writes them. */
function optionsText({ subnet, mtu, masqueraded }: Lease): string {
  const masq = masqueraded === "true" ? "false" : "true";
  return `DOCKER_OPT_BIP="--bip=${subnet}"
DOCKER_OPT_IPMASQ="--ip-masq=${masq}"
DOCKER_OPT_MTU="--mtu=${mtu}"
DOCKER_NETWORK_OPTIONS=" --bip=${subnet} --ip-masq=${masq} --mtu=${mtu}"
`;
}

/** The same, on the host, whenever flanneld has become ready. */
const optionsScript = `#!/bin/sh
${marker}
# Docker's options from flannel's lease, in the form of mk-docker-opts.sh. Without a lease it fails: with empty options
# Docker would take 172.17.0.0/16 without a word.
set -eu
. ${paths.lease}
: "\${FLANNEL_SUBNET:?}" "\${FLANNEL_MTU:?}"
masq=true
[ "\${FLANNEL_IPMASQ:-false}" != true ] || masq=false
cat >${paths.docker}.new <<OPTIONS
DOCKER_OPT_BIP="--bip=$FLANNEL_SUBNET"
DOCKER_OPT_IPMASQ="--ip-masq=$masq"
DOCKER_OPT_MTU="--mtu=$FLANNEL_MTU"
DOCKER_NETWORK_OPTIONS=" --bip=$FLANNEL_SUBNET --ip-masq=$masq --mtu=$FLANNEL_MTU"
OPTIONS
mv ${paths.docker}.new ${paths.docker}
`;

function settingsText({ endpoints, prefix, address }: Params): string {
  return `${marker}
FLANNEL_ETCD_ENDPOINTS="${endpoints.join(",")}"
FLANNEL_ETCD_PREFIX="${prefix}"
# The interface of the default route is often the wrong one. --ip-masq: flanneld masquerades what leaves the network,
# and tells Docker not to, so that containers keep their own address among each other.
FLANNEL_OPTIONS="--iface=${address} --public-ip=${address} --ip-masq"
`;
}

/** Docker waits for it, so that it is ready only with a lease; flannel 0.13 exits with 0 when its lease was deleted. */
function unitText({ settings }: State): string {
  return `${marker}
[Unit]
Description=flannel: this host's lease of the container network
Wants=network-online.target
After=network-online.target etcd.service
Before=docker.service
StartLimitIntervalSec=0

[Service]
Type=notify
EnvironmentFile=${settings.path}
ExecStart=${paths.binary} -etcd-endpoints=\${FLANNEL_ETCD_ENDPOINTS} -etcd-prefix=\${FLANNEL_ETCD_PREFIX} $FLANNEL_OPTIONS
ExecStartPost=${paths.options}
TimeoutStartSec=infinity
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`;
}

/** systemd 242 and newer would give the vxlan device another MAC address than the one in the lease. */
const linkText = `${marker}
[Match]
OriginalName=flannel*

[Link]
MACAddressPolicy=none
`;

/** Without the “-” before the file: where there is no lease, Docker has to wait, and not to take a network of its own. */
function dropInText({ docker }: State): string {
  const command = docker.execStart.replace(/ *\$DOCKER_NETWORK_OPTIONS/g, "");
  return `${marker}
[Unit]
Requires=flanneld.service
After=flanneld.service
# It is restarted together with flanneld; so many times in a row are no failure.
StartLimitIntervalSec=0

[Service]
EnvironmentFile=${paths.docker}
ExecStart=
ExecStart=${command} $DOCKER_NETWORK_OPTIONS
`;
}

function missingFiles(state: State, wanted: Params): Step[] {
  const { files, settings, local } = state;
  // One that does not run yet is started with all of it.
  const causes = state.flanneld.active === "active" ? [restart("flanneld")] : [];
  const file = (was: FileState, content: string, more: { mode?: string; causes?: Step["causes"] } = {}) =>
    was.content === content && was.mode === (more.mode ?? "644")
      ? []
      : [step.file({ was, content, mode: "644", causes, ...more })];
  const pushed =
    local === undefined || files.binary.sha256 === local.sha256
      ? []
      : [step.pushedFile({ was: files.binary, from: local, mode: "755", causes })];
  return [
    ...pushed,
    ...file(settings, settingsText(wanted)),
    ...file(files.options, optionsScript, { mode: "755" }),
    ...file(files.unit, unitText(state), { causes: [daemonReload, ...causes] }),
    ...(wanted.backend === "vxlan" ? file(files.link, linkText) : []),
  ];
}

/** What another backend or network left behind, and what would win over the present one. */
function leftovers({ links, routes }: State, wanted: Params, lease: Lease | undefined): Step[] {
  const moved = lease !== undefined && lease.network !== wanted.network;
  const device = links.find((link) => link.name === "flannel.1");
  const causes = [restart("flanneld")];
  const networks = [wanted.network, ...(moved ? [lease.network] : [])].flatMap((n) => networkOf(n) ?? []);
  const within = ({ dst, via, dev, proto }: Route) => {
    const first = parseAddress(dst.split("/")[0] ?? "");
    const flannels = via !== undefined && !dev?.startsWith("flannel") && proto !== String(routeProtocol);
    return flannels && first !== undefined && networks.some((network) => contains(network, first));
  };
  const old = wanted.backend === "host-gw" && !moved ? [] : routes.filter(within);
  return [
    ...(device && (wanted.backend !== "vxlan" || moved) ? [removal(device)] : []),
    ...old.map(({ dst, line }) => ({
      ...step.noRoute({ to: dst, was: line.replace(`${dst} `, "") }),
      causes,
    })),
  ];
}

/** Not put back by an undo: the flanneld that had it makes it itself. */
function removal({ kind = "link", mtu }: Link): Step {
  return step.run({
    what: "link flannel.1",
    from: `${kind}, mtu ${mtu}`,
    to: null,
    do: sh`ip link del dev flannel.1`,
    done: sh`! ip link show dev flannel.1`,
    undo: sh`true`,
    touches: ["link", "route"],
    causes: [restart("flanneld")],
  });
}

/** FORWARD is DROP where dockerd switched forwarding on, and flanneld before 0.13 adds no rule. */
function forwarding({ rules, kept, forwarding: now }: State, { network, comment }: Params): Step[] {
  const chain = rules.policies.has("filter DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
  const rule: RuleStep = {
    table: "filter",
    chain,
    spec: `-s ${network} -d ${network} -j ACCEPT`,
    comment,
    place: "first",
  };
  const inChain = rules.rules.filter((r) => r.table === "filter" && r.chain === chain);
  const whole = canonicalRule(rule.spec.replace(" -j", ` -m comment --comment ${comment} -j`));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === whole);
  const decider = inChain.findIndex((r) => /-j (DROP|REJECT|RETURN)/.test(r.spec));
  const inPlace =
    at >= 0 && (decider < 0 || at < decider) && kept.enabled && kept.lines.includes(keptRule(rule));
  return [
    ...(now === "1" ? [] : [step.sysctl({ key: "net.ipv4.ip_forward", value: 1, was: now ?? null })]),
    ...(inPlace ? [] : [step.rule(rule)]),
  ];
}

/** Not awaited: without etcd or its key flanneld asks for ever, and the lease is what the task waits for. */
function start(unit: UnitState): Step {
  const was = unit.present ? `${unit.enabled || "not enabled"}, ${unit.active}` : "not there";
  return step.unit({ name: "flanneld.service", enabled: true, active: true, was, noBlock: true });
}

/**
 * Only there for its undo: a Docker without a --bip takes its last one out of its own store, whatever docker0 has (seen on
 * 20.10), so that it has to be started once with the address of before.
 */
function earlierAddress(docker0: string | undefined, { subnet }: Lease): Step[] {
  if (docker0 === undefined || docker0 === subnet) return [];
  return [
    step.run({
      what: "address of docker0",
      from: docker0,
      to: `${subnet}, with the restart`,
      do: sh`:`,
      done: sh`! ip -o -4 addr show dev docker0 | grep -qF ${` ${docker0} `}`,
      undo: sh`! grep -qs '"bip"' ${paths.daemon} || exit 0
systemctl daemon-reload
start=$(systemctl show -p ExecStart docker.service | sed -n 's/.*argv\[\]=\(.*\) ; ignore_errors.*/\1/p')
[ -n "$start" ] || exit 0
drop=/run/systemd/system/docker.service.d
mkdir -p $drop && printf '[Service]\nExecStart=\nExecStart=%s --bip=%s\n' "$start" ${docker0} >$drop/causeway-once.conf || exit 1
systemctl daemon-reload; systemctl reset-failed docker.service; systemctl restart docker.service; code=$?
rm -f $drop/causeway-once.conf; rmdir $drop 2>/dev/null; systemctl daemon-reload; exit $code`,
      touches: ["link"],
    }),
  ];
}

function join({ files, docker, daemon }: State): Step {
  const hit = containersOn(daemon);
  const write = step.file({
    was: files.dropIn,
    content: dropInText({ docker } as State),
    causes: [daemonReload, restart("docker")],
  });
  return hit.length > 0 ? { ...write, to: `${write.to}; interrupts ${hit.join(", ")}` } : write;
}

/**
 * flanneld leaves its device, routes and rules behind when it ends. This step makes nothing but the folder in which it
 * works; taken back, after flanneld was stopped, it takes away whatever flanneld made.
 */
function traces({ network }: Params): Step {
  return step.run({
    what: "flannel's devices, routes and rules",
    to: "made by flanneld",
    do: sh`mkdir -p /run/flannel`,
    done: sh`[ -d /run/flannel ]`,
    undo: sh`for device in flannel.1 flannel0; do ! ip link show dev $device >/dev/null 2>&1 || ip link del dev $device; done
ip -4 route show root ${network} proto boot | grep ' via ' | while read -r route; do ip -4 route del $route; done
for table in nat filter; do
  iptables-save -t $table | grep -E '^-A (POSTROUTING|FORWARD) ' | grep -v causeway | grep -E -e ${` ${network} |FLANNEL-`} | sed 's/^-A/-D/' |
    while read -r rule; do eval "iptables -w 30 -t $table $rule"; done
  for chain in FLANNEL-FWD FLANNEL-POSTRTG; do
    iptables -w 30 -t $table -F $chain 2>/dev/null && iptables -w 30 -t $table -X $chain
  done
done
rm -rf /run/flannel`,
    touches: ["file:/run/flannel"],
  });
}

function containersOn({ containers }: DockerState): string[] {
  return containers.filter((c) => c.state === "running" && c.networks.includes("bridge")).map((c) => c.name);
}

function refuseInterruption({ daemon }: State, { interrupt_containers }: Params): void {
  const hit = containersOn(daemon);
  if (hit.length === 0 || interrupt_containers) return;
  throw new CausewayError("host", "restarting Docker would cut running containers off", {
    found: `on docker0: ${hit.join(", ")}`,
    expected: "no running container on docker0, or leave to interrupt them",
    advice: "stop them, or run with -e interrupt_containers=true",
  });
}

/** flannel's options go to dockerd as flags, and it does not start with a key both as a flag and in its file. */
function refuseKeysOfDaemon({ files }: State): void {
  const keys = readJson(files.daemon);
  const both = ["bip", "mtu", "ip-masq"].filter((key) => keys[key] !== undefined);
  if (both.length === 0) return;
  throw new CausewayError(
    "host",
    `${both.join(" and ")} in ${paths.daemon} would keep dockerd from starting`,
    {
      found: both.map((key) => `"${key}": ${JSON.stringify(keys[key])}`).join(", "),
      expected: "the address of docker0 from flannel's lease alone",
      advice: `take ${both.join(" and ")} out of ${paths.daemon}: it is not causeway's, or it would have gone by itself`,
    },
  );
}

function refuseFlag({ docker }: State): void {
  const flag = /--bip[= ]\S+/.exec(docker.execStart)?.[0];
  if (flag === undefined) return;
  throw new CausewayError("host", "dockerd is started with a --bip of its own", {
    found: `${flag} in ExecStart of ${[docker.fragmentPath, ...docker.dropIns].join(", ")}`,
    expected: "the address of docker0 from flannel's lease alone",
    advice: "take the flag out: systemctl edit --full docker.service, then systemctl daemon-reload",
  });
}

function refuseWithoutDocker({ daemon, docker }: State): void {
  if (daemon.state !== "missing" && docker.present) return;
  throw new CausewayError("host", "Docker is not installed on this host", {
    found: daemon.state === "missing" ? "no docker command" : "no docker.service",
    advice:
      "install Docker first (Debian: apt-get install docker.io); causeway configures the one that is there",
  });
}

function refuseWithoutFlanneld({ local, files }: State): void {
  if (local !== undefined || files.binary.kind === "file") return;
  throw new CausewayError("host", "flanneld is not on this host, and none was given", {
    found: `nothing at ${paths.binary}`,
    expected: "flannel_binary: a flanneld for this host's architecture, as a file of this machine",
    advice:
      "get it from https://github.com/flannel-io/flannel/releases, then run with -e flannel_binary=./flanneld",
  });
}
