import { daemonReload, type FileState, inStandingOrder, restart, type Step, step } from "causeway";
import type { Lease } from "./lease.ts";
import type { Params } from "./params.ts";
import { paths, type State } from "./state.ts";

export const marker = "# Written by causeway (flanneld-config).";

/** The article's four lines, as mk-docker-opts.sh writes them. */
export function optionsText({ subnet, mtu, masqueraded }: Lease): string {
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

/** Whatever of it does not suit flanneld, which then makes its own device: nothing is lost by that. */
const deviceScript = `#!/bin/sh
${marker}
# flannel.1 as flanneld itself makes it, which takes a fitting one that is there; but with a MAC that follows from the host's
# address. With one at random after each boot, a host whose flanneld missed word of it, as 0.20 may, sends into the void.
[ ! -e /sys/class/net/flannel.1 ] || exit 0
device=$(ip -o -4 addr show | awk -v address="$1" '{ split($4, a, "/") } a[1] == address { print $2; exit }')
mac=$(printf '0e:f1:%02x:%02x:%02x:%02x' $(echo "$1" | tr . ' '))
exec ip link add flannel.1 address "$mac" type vxlan id 1 dev "$device" local "$1" dstport 8472 nolearning
`;

/**
 * The names are those of the article and of CentOS's package. The last is flanneld's own, by which 0.10 and newer leave
 * FORWARD alone: with their two rules the whole network would be let through, in both directions.
 */
function settingsText({ settings }: State, { endpoints, prefix, address }: Params): string {
  const now = /^FLANNEL_ETCD_ENDPOINTS="(.*)"$/m.exec(settings.content)?.[1]?.split(",");
  return `${marker}
FLANNEL_ETCD_ENDPOINTS="${inStandingOrder(endpoints, now).join(",")}"
FLANNEL_ETCD_PREFIX="${prefix}"
# The interface of the default route is often the wrong one. --ip-masq: flanneld masquerades what leaves the network,
# and tells Docker not to, so that containers keep their own address among each other.
FLANNEL_OPTIONS="--iface=${address} --public-ip=${address} --ip-masq"
# One rule of causeway's accepts what goes from container to container.
FLANNELD_IPTABLES_FORWARD_RULES="false"
`;
}

/** A flanneld that runs and knows more endpoints than there are asks the others: it need not be restarted. */
function isOnlyShorter(state: State, wanted: Params): boolean {
  const line = /^FLANNEL_ETCD_ENDPOINTS="(.*)"$/m;
  const { content } = state.settings;
  const now = line.exec(content)?.[1]?.split(",") ?? [];
  const rest = (text: string) => text.replace(line, "");
  const known = wanted.endpoints.every((url) => now.includes(url));
  return known && rest(content) === rest(settingsText(state, wanted));
}

/** Docker waits for it, so that it is ready only with a lease; flannel 0.13 exits with 0 when its lease was deleted. */
function unitText({ settings }: State, { backend, address }: Params, program: string): string {
  const device = backend === "vxlan" ? `ExecStartPre=-${paths.device} ${address}\n` : "";
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
# The subnet of another network in it makes flannel 0.13 end at its start; it finds its lease by its address.
ExecStartPre=/bin/rm -f ${paths.lease}
${device}ExecStart=${program} -etcd-endpoints=\${FLANNEL_ETCD_ENDPOINTS} -etcd-prefix=\${FLANNEL_ETCD_PREFIX} $FLANNEL_OPTIONS
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
export function dropInText({ docker }: Pick<State, "docker">): string {
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

/** All files but Docker's drop-in, which needs a lease, and flanneld itself, that is started as `program`. */
export function missingFiles(state: State, wanted: Params, program: string): Step[] {
  const { files, settings } = state;
  const causes = restartOf(state);
  const file = (was: FileState, content: string, more: { mode?: string; causes?: Step["causes"] } = {}) =>
    was.content === content && was.mode === (more.mode ?? "644")
      ? []
      : [step.file({ was, content, mode: "644", causes, ...more })];
  return [
    ...backup(state),
    ...file(settings, settingsText(state, wanted), isOnlyShorter(state, wanted) ? { causes: [] } : {}),
    ...file(files.options, optionsScript, { mode: "755" }),
    ...(wanted.backend === "vxlan"
      ? [...file(files.device, deviceScript, { mode: "755", causes: [] }), ...file(files.link, linkText)]
      : []),
    ...file(files.unit, unitText(state, wanted, program), { causes: [daemonReload, ...causes] }),
  ];
}

/** One that does not run yet is started with all of it. */
export function restartOf({ flanneld }: State): Step["causes"] {
  return flanneld.active === "active" ? [restart("flanneld")] : [];
}

/** The article's `cp /etc/sysconfig/flanneld{,.bak}`: settings that were there before, unless there is a copy already. */
function backup({ settings, backup: was }: State): Step[] {
  if (settings.kind !== "file" || settings.content.startsWith(marker) || was.kind !== "absent") return [];
  const { content, mode, uid, gid } = settings;
  return [step.file({ was, content, mode, owner: `${uid}:${gid}` })];
}
