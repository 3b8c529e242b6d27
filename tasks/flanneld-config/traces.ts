import {
  contains,
  type Link,
  networkOf,
  parseAddress,
  type Route,
  type Rule,
  restart,
  routeProtocol,
  type Step,
  sh,
  step,
} from "causeway";
import type { Lease } from "./lease.ts";
import type { Params } from "./params.ts";
import { paths, type State } from "./state.ts";

/** Changes rules by what iptables-save prints, on standard input; older ones know no -w, and take no lock. */
const load = sh`load() {
  if iptables-restore --help 2>&1 </dev/null | grep -q -e --wait; then iptables-restore -w 30 --noflush; else iptables-restore --noflush; fi
}`;

/**
 * flanneld leaves its device, routes and rules behind when it ends, and 0.13 opens FORWARD. This step makes nothing: it
 * notes what the kernel has before flanneld's first start. Taken back, after flanneld was stopped, it takes away what
 * looks like flannel's and was not there.
 */
export function traces({ network }: Params): Step {
  return step.run({
    what: "flannel's devices, routes and rules",
    to: "made by flanneld",
    do: sh`{ iptables-save -t nat; iptables-save -t filter; ip -4 route show | sed 's/ linkdown//; s/ *$//'; } >"$B.before.kernel"
[ ! -d /run/flannel ] || : >"$B.before.folder"`,
    done: sh`[ -e ${paths.lease} ] || ip link show dev flannel.1 || ip link show dev flannel0`,
    // A rule with a comment that is not flanneld's is somebody's. The last network may be another one: subnet.env, or else flanneld's own rule tells it; it alone spares multicast.
    undo: sh`${load}
new() { grep -vxFf "$B.before.kernel"; }
masqueraded() { iptables-save -t nat | new | sed -n 's/^-A POSTROUTING -s \([^ ]*\) ! -d 224\.0\.0\.0\/4 .*-j MASQUERADE.*/\1/p'; }
for device in flannel.1 flannel0; do ! ip link show dev $device >/dev/null 2>&1 || ip link del dev $device; done
for network in $({ echo ${network}; sed -n 's/^FLANNEL_NETWORK=//p' ${paths.lease} 2>/dev/null; masqueraded; } | sort -u); do
  ip -4 route show root $network proto boot | grep ' via ' | sed 's/ linkdown//; s/ *$//' | new | while read -r route; do ip -4 route del $route; done
  for table in nat filter; do
    rules=$(iptables-save -t $table | grep -E '^-A (POSTROUTING|FORWARD) ' | grep -v causeway | grep -F -e " $network " -e ' FLANNEL-' | new | sed '/ --comment /{/ --comment "flanneld /!d;}; s/^-A/-D/')
    [ -z "$rules" ] || printf '%s\n' "*$table" "$rules" COMMIT | load || exit 1
  done
done
for chain in 'nat FLANNEL-POSTRTG' 'filter FLANNEL-FWD'; do
  set -- $chain
  ! grep -q "^:$2 " "$B.before.kernel" && iptables -w 30 -t $1 -n -L $2 >/dev/null 2>&1 || continue
  iptables -w 30 -t $1 -F $2 && iptables -w 30 -t $1 -X $2
done
! grep -q '^:FORWARD DROP' "$B.before.kernel" || iptables -w 30 -P FORWARD DROP
rm -f ${paths.lease} ${paths.docker}
[ -e "$B.before.folder" ] || rm -rf /run/flannel`,
    touches: ["file:/run/flannel"],
  });
}

/**
 * What another backend or network left behind, and what would win over the present one. An undo puts none of it back: the
 * flanneld that had it makes it itself.
 */
export function leftovers(state: State, wanted: Params, lease: Lease | undefined): Step[] {
  const { links, routes, rules } = state;
  const moved = lease !== undefined && lease.network !== wanted.network;
  const device = links.find((link) => link.name === "flannel.1");
  const strange = [
    ...new Set([...(moved ? [lease.network] : []), ...networksMasqueraded(rules.rules)]),
  ].filter((network) => network !== wanted.network);
  return [
    ...(device && (wanted.backend !== "vxlan" || moved) ? [noDevice(device)] : []),
    ...(wanted.backend === "host-gw" ? [] : routes.filter((r) => isPeers(r, wanted.network)).map(noRoute)),
    ...strange.flatMap((network) => routes.filter((r) => isPeers(r, network)).map(noRoute)),
    // A flanneld that still runs puts its rules back: they go once it is another one.
    ...(moved
      ? []
      : strange.flatMap((network) => rules.rules.filter((r) => isMasquerading(r, network))).map(noRule)),
  ];
}

/** A route as host-gw makes them: through a peer, by nobody's protocol. */
function isPeers({ dst, via, dev, proto }: Route, within: string): boolean {
  const [first, network] = [parseAddress(dst.split("/")[0] ?? ""), networkOf(within)];
  const made = via !== undefined && !dev?.startsWith("flannel") && proto !== String(routeProtocol);
  return made && first !== undefined && network !== undefined && contains(network, first);
}

/** The networks that a flanneld masquerades: it alone spares multicast. */
function networksMasqueraded(rules: readonly Rule[]): string[] {
  return rules.flatMap(({ table, chain, spec }) => {
    const network = /^-s (\S+) ! -d 224\.0\.0\.0\/4 .*-j MASQUERADE/.exec(spec)?.[1];
    return table === "nat" && chain === "POSTROUTING" && network !== undefined ? [network] : [];
  });
}

function isMasquerading({ table, chain, spec, comment }: Rule, network: string): boolean {
  return (
    table === "nat" &&
    chain === "POSTROUTING" &&
    comment === undefined &&
    ` ${spec} `.includes(` ${network} `)
  );
}

function noDevice({ kind = "link", mtu }: Link): Step {
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

function noRoute({ dst, line }: Route): Step {
  const words = line.split(" ");
  return step.run({
    what: `route ${dst}`,
    from: line.replace(`${dst} `, ""),
    to: null,
    do: sh`ip -4 route del ${words} || [ -z "$(ip -4 route show ${words})" ]`,
    done: sh`[ -z "$(ip -4 route show ${words})" ]`,
    undo: sh`true`,
    touches: ["route"],
    causes: [restart("flanneld")],
  });
}

/** The rule goes back as iptables-save printed it, to what reads that: its comment may be anything, and no shell's affair. */
function noRule({ table, chain, spec }: Rule): Step {
  return step.run({
    what: `rule ${table} ${chain} ${spec}`,
    from: "present",
    to: null,
    do: sh`${load}
printf '%s\n' ${[`*${table}`, `-D ${chain} ${spec}`, "COMMIT"]} | load`,
    done: sh`! iptables-save -t ${table} | grep -qxF -e ${`-A ${chain} ${spec}`}`,
    undo: sh`true`,
    touches: ["rule"],
  });
}
