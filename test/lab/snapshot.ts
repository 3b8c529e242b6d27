import type { TestLab } from "./support.ts";

/**
 * What a snapshot leaves out, and why. Everything else below these folders counts, with owner, mode and content.
 */
const leftOut: readonly (readonly [path: string, why: string])[] = [
  ["/etc/passwd-", "the copy that adduser leaves; so are group-, shadow-, gshadow-"],
  ["/etc/group-", ""],
  ["/etc/shadow-", ""],
  ["/etc/gshadow-", ""],
  ["/etc/subuid-", ""],
  ["/etc/subgid-", ""],
  ["/etc/mtab", "a link into /proc"],
  ["/etc/resolv.conf", "the lab's"],
  ["/etc/docker/key.json", "made by dockerd's first start"],
  ["/etc/ld.so.cache", "a cache"],
  ["/var/lib/causeway", "the journal remembers that there was a run"],
  ["/var/lib/docker", "asked of Docker itself"],
  ["/var/lib/containerd", "asked of Docker itself"],
  ["/var/lib/apt", "lists and caches"],
  ["/var/lib/dpkg", "asked of dpkg itself"],
  ["/var/lib/systemd", "timers' stamps and random seed"],
  ["/var/lib/private", "systemd's"],
  ["/var/lib/dbus", "the machine-id"],
  ["/var/lib/ucf", "ucf's own bookkeeping and its backups"],
];

const exactly = {
  containers: `case $containers in '[]') ;; *) docker inspect -f 'aliases {{.Name}} {{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{$e.Aliases}} {{end}}' $(docker ps -aq) | sed 's/ *\\b[0-9a-f]\\{12\\}\\b//g' ;; esac`,
  rules: `for t in filter nat mangle raw; do iptables-save -t $t | awk -v t=$t '$1 == "-A" { n[$2]++; print "place", t, n[$2], $0 }'; done`,
};

/**
 * Everything about a host that a run may have changed, as sorted lines; two of one state are equal. Which units are
 * enabled is told by the links below /etc. An exact one also
 * knows each rule's place in its chain and each container's aliases, which a restart of Docker may change by itself.
 */
export async function snapshot(lab: TestLab, host: string, exact = false): Promise<string[]> {
  const prune = leftOut.map(([path]) => `-path ${path}`).join(" -o ");
  const text = await lab.must(
    host,
    `exec 2>/dev/null
find /etc /usr/local /var/lib /opt /usr/sbin /root \\( ${prune} \\) -prune -o \\( -type f -o -type l -o -type d \\) -printf '%y %m %U:%G %p -> %l\\n' | sed 's/^/path /'
find /etc /usr/local /var/lib /opt /root \\( ${prune} \\) -prune -o -type f -print0 | xargs -0 sha256sum | sed 's/^/sum /'
dpkg-query -W -f '\${db:Status-Abbrev} \${Package} \${Version}\\n' | sed 's/^/package /'
apt-mark showmanual | sed 's/^/manual /'
getent passwd | sed 's/^/user /'
getent group | sed 's/^/group /'
systemctl list-units --all --type=service,socket,timer --no-legend --no-pager --plain | awk '{print "unit", $1, $2, $3, $4}' | grep -v -e 'user@' -e 'user-runtime' -e systemd-tmpfiles -e 'logrotate' -e 'apt-' -e 'e2scrub' -e 'ssh@'
for t in filter nat mangle raw; do iptables-save -t $t | grep -v '^#' | sed 's/\\[[0-9:]*\\]//' | sed "s/^/rule $t /"; done
ip -4 route show table all | sed 's/ linkdown//; s/^/route /'
ip -o link show | grep -v veth | sed 's/^[0-9]*: //; s/ state [A-Z]*//; s/<[^>]*>//; s/link\\/ether [0-9a-f:]*//; s/^/link /'
ip -o -4 addr show | sed 's/^[0-9]*: //; s/valid_lft.*//; s/^/address /'
for k in net.ipv4.ip_forward net.ipv4.conf.all.rp_filter net.ipv4.conf.all.forwarding; do echo "sysctl $k $(cat /proc/sys/$(echo $k | tr . /))"; done
systemctl is-active -q docker && {
  # Not through docker's command line, each call of which costs a fifth of a second.
  ask() { curl -s --unix-socket /var/run/docker.sock "http://docker/$1"; }
  containers=$(ask 'containers/json?all=1')
  printf '@containers %s\\n@networks %s\\n@info %s\\n' "$containers" "$(ask networks)" "$(ask info)"
  ${exact ? exactly.containers : ""}
}
${exact ? exactly.rules : ""}
true`,
  );
  // A network that is made anew has another id, and its bridge another name.
  return (
    text
      .replaceAll(/\bbr-[0-9a-f]{12}\b/g, "br-ID")
      // The far end of the machine's own veth has another number after each boot.
      .replaceAll(/^(link \S+)@if\d+/gm, "$1")
      .split("\n")
      .filter(Boolean)
      .flatMap((line) => (line.startsWith("@") ? dockersOwn(line, exact) : [line]))
      .sort()
  );
}

interface Network {
  Name: string;
  EnableIPv6: boolean;
  [key: string]: unknown;
}

interface Container {
  Names: readonly string[];
  State: string;
  NetworkSettings: { Networks: Readonly<Record<string, { IPAddress: string }>> };
}

/** What Docker answered about its containers, its networks or itself, as lines. */
function dockersOwn(answer: string, exact: boolean): string[] {
  const [, what, json = ""] = /^@(\w+) (.*)$/.exec(answer) ?? [];
  if (what === "containers")
    return (JSON.parse(json) as Container[]).map(({ Names: [name], State, NetworkSettings }) => {
      const on = Object.entries(NetworkSettings.Networks).map(([n, { IPAddress }]) => `${n} ${IPAddress}`);
      return `container ${name} ${State} ${on.join(" ")}`;
    });
  if (what === "networks")
    return (JSON.parse(json) as Network[]).flatMap(({ Name, EnableIPv6, ...network }) => {
      const told = ["Driver", "Scope", "IPAM", "Options", "Labels", "Internal", "Attachable"];
      const line = `network ${Name} ${told.map((key) => JSON.stringify(network[key])).join(" ")}`;
      return exact ? [line, `network ${Name} v6 ${EnableIPv6}`] : [line];
    });
  const { ServerVersion, Driver, LiveRestoreEnabled, ClusterStore } = JSON.parse(json);
  return [`docker ${ServerVersion} ${Driver} ${LiveRestoreEnabled} ${ClusterStore}`];
}

/** What one snapshot has and the other has not: `- gone` and `+ new`, sorted. */
export function differences(before: readonly string[], after: readonly string[]): string[] {
  const [a, b] = [new Set(before), new Set(after)];
  return [
    ...before.filter((x) => !b.has(x)).map((x) => `- ${x}`),
    ...after.filter((x) => !a.has(x)).map((x) => `+ ${x}`),
  ];
}
