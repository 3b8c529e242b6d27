import type { Params, Peer } from "./params.ts";

export const marker = "# Written by causeway (wireguard-link).";

/** Where everything of an interface lies. */
export function pathsOf(name: string) {
  const folder = "/etc/wireguard";
  return {
    key: `${folder}/${name}.key`,
    peers: `${folder}/${name}.conf`,
    script: `${folder}/${name}.up`,
    unit: `/etc/systemd/system/${name}.service`,
  };
}

/** What `wg syncconf` takes, without the private key. */
export function peersText({ port, keepalive }: Params, peers: readonly Peer[]): string {
  const own = `${marker} The private key is in a file of its own.\n[Interface]\nListenPort = ${port}\n`;
  const blocks = peers.map(({ name, publicKey, endpoint, subnets }) => {
    const lines = [
      `# ${name}`,
      "[Peer]",
      `PublicKey = ${publicKey}`,
      ...(endpoint === undefined ? [] : [`Endpoint = ${endpoint}`]),
      `AllowedIPs = ${subnets.join(", ")}`,
      ...(keepalive === 0 ? [] : [`PersistentKeepalive = ${keepalive}`]),
    ];
    return `\n${lines.join("\n")}\n`;
  });
  return [own, ...blocks].join("");
}

/**
 * What the interface is told when it is there, and again whenever its peers change: `wg syncconf` leaves alone what stays the
 * same. The key goes through a pipe and into no list of processes. Routes went with an interface that died, and come back here.
 */
export function scriptText({ name, address, address6, mtu }: Params): string {
  const own = `${address.split("/")[0]}/32`;
  const own6 =
    address6 === undefined
      ? ""
      : `ip -6 address replace ${address6}/128 dev ${name} nodad || exit 1
ip -o -6 address show dev ${name} scope global | sed 's/.* inet6 \\([^ ]*\\) .*/\\1/' | grep -vxF ${address6}/128 | while read -r old; do
  ip address del "$old" dev ${name}
done
`;
  const families = address6 === undefined ? "ip -4" : "ip";
  return `#!/bin/sh
${marker}
cd /etc/wireguard || exit 1
tries=0
until wg show ${name} >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { echo "${name} does not come up" >&2; exit 1; }
  sleep 0.1
done
{ cat ${name}.conf && echo '[Interface]' && printf 'PrivateKey = ' && cat ${name}.key; } | wg syncconf ${name} /dev/stdin || exit 1
ip -4 address replace ${own} dev ${name} || exit 1
ip -o -4 address show dev ${name} | sed 's/.* inet \\([^ ]*\\) .*/\\1/' | grep -vxF ${own} | while read -r old; do
  ip address del "$old" dev ${name}
done
ip link set ${name} mtu ${mtu} up || exit 1
${own6}# Loose: while a key is replaced, packets come in by one interface and leave by the other.
echo 2 >/proc/sys/net/ipv4/conf/${name}/rp_filter
cat /etc/causeway/routes/* 2>/dev/null | sed -n 's/^[^ ]* dev ${name} .*/route replace & table main/p' | ${families} -force -batch - || true
`;
}

/** It is up before Docker's containers are; whatever ends it, it is started again. */
export function unitText({ name, implementation }: Params): string {
  return `${marker}
[Unit]
Description=The encrypted way to the other hosts' containers (WireGuard, ${name})
Wants=network-online.target
After=network-online.target
Before=docker.service causeway-network.service
StartLimitIntervalSec=0

[Service]
${implementation === "kernel" ? ofKernel(name) : ofProgram(name)}
ExecStartPost=/bin/sh ${pathsOf(name).script}
ExecReload=/bin/sh ${pathsOf(name).script}

[Install]
WantedBy=multi-user.target
`;
}

const ofProgram = (name: string) => `ExecStart=/bin/sh -c "exec wireguard-go -f ${name}"
Restart=always
RestartSec=500ms`;

const ofKernel = (name: string) => `Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c "ip link show ${name} >/dev/null 2>&1 || ip link add ${name} type wireguard"
ExecStop=-/bin/sh -c "ip link del ${name}"`;
