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
  ["/etc/cni", "made by containerd's second start"],
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

/** A host's Docker is asked without its command line, each call of which costs a fifth of a second. */
const docker = `systemctl is-active -q docker && {
  ask() { for path; do set -- "$@" "http://docker/$path"; shift; done; curl -s --unix-socket /var/run/docker.sock "$@"; }
  answers=$(ask 'containers/json?all=1' networks info)
  printf '%s\\n' "$answers" | awk '{ split("containers networks info", what, " "); print "@" what[NR], $0 }'
}`;

/** What a restart of Docker may change by itself: its containers' aliases. */
const aliases = `case $answers in
  '' | '[]'*) ;;
  *) docker inspect -f 'aliases {{.Name}} {{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{$e.Aliases}} {{end}}' $(docker ps -aq) | sed 's/ *\\b[0-9a-f]\\{12\\}\\b//g' ;;
esac`;

/** A table that nothing was put in looks as one that was never looked at: iptables-save shows only those that are loaded. */
const rules = (exact: boolean) => `{ iptables-save; ip6tables-save | sed 's/^\\*/*ip6:/'; } | awk '
/^\\*/ { table = substr($0, 2) }
/^:/ && $2 != "ACCEPT" { print "rule", table, $1, $2 }
/^-A/ { print "rule", table, $0; n[table $2]++; if (${Number(exact)}) print "place", table, n[table $2], $0 }'`;

/** Services of systemd's that run at a host's first boot only, so that they look otherwise after the next one. */
const firstBoot = ["ldconfig", "systemd-journal-catalog-update", "systemd-sysusers", "systemd-update-done"]
  .map((unit) => `-e ' ${unit}[.]service '`)
  .join(" ");

/**
 * Checksums of all files below the folders. A file whose inode and time of change are what they were is not read again:
 * the second cannot be set by anybody.
 */
const sums = (
  prune: string,
) => `find /etc /usr/local /var/lib /opt /root \\( ${prune} \\) -prune -o -type f -printf '%i %C@ %p\\n' >/run/cw-files
touch /run/cw-sums
awk '{ path = $0; sub(/^[^ ]+ [^ ]+ /, "", path) }
FILENAME == "/run/cw-sums" { sub(/^[^ ]+ /, ""); known[$0]; next }
!($0 in known) { print path }' /run/cw-sums /run/cw-files | tr '\\n' '\\0' | xargs -0r sha256sum >/run/cw-new
awk 'FILENAME == "/run/cw-new" { sum = $1; sub(/^[^ ]+ +/, ""); fresh[$0] = sum; next }
FILENAME == "/run/cw-sums" { sum = $1; sub(/^[^ ]+ /, ""); known[$0] = sum; next }
{ path = $0; sub(/^[^ ]+ [^ ]+ /, "", path); print (path in fresh ? fresh[path] : known[$0]), $0 }' /run/cw-new /run/cw-sums /run/cw-files >/run/cw-all
mv /run/cw-all /run/cw-sums
sed 's/^\\([^ ]*\\) [^ ]* [^ ]* /sum \\1 /' /run/cw-sums`;

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
${sums(prune)}
dpkg-query -W -f '\${db:Status-Abbrev} \${Package} \${Version}\\n' | sed 's/^/package /'
apt-mark showmanual | sed 's/^/manual /'
getent passwd | sed 's/^/user /'
getent group | sed 's/^/group /'
systemctl list-units --all --type=service,socket,timer --no-legend --no-pager --plain | awk '{print "unit", $1, $2, $3, $4}' | grep -v -e 'user@' -e 'user-runtime' -e systemd-tmpfiles -e 'logrotate' -e 'apt-' -e 'e2scrub' -e 'ssh@' ${firstBoot}
${rules(exact)}
ip -4 route show table all | sed 's/ linkdown//; s/^/route /'
ip -6 route show table all | grep -v -e 'fe80::' -e '^multicast' -e '^anycast' -e ' dev veth' | sed 's/ linkdown//; s/ expires [0-9]*sec//; s/^/route6 /'
ip -o link show | grep -v veth | sed 's/^[0-9]*: //; s/ state [A-Z]*//; s/<[^>]*>//; s/link\\/ether [0-9a-f:]*//; s/^/link /'
ip -o -4 addr show | sed 's/^[0-9]*: //; s/valid_lft.*//; s/^/address /'
ip -o -6 addr show scope global | sed 's/^[0-9]*: //; s/ tentative//; s/ dadfailed//; s/ nodad//; s/valid_lft.*//; s/^/address6 /'
grep -H . /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/default/forwarding /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/all/forwarding | sed 's/^/sysctl /'
${docker}
${exact ? aliases : ""}
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
  NetworkSettings: { Networks: Readonly<Record<string, Attached>> };
}

/** One that is stopped has the addresses that were asked for, if any. */
interface Attached {
  IPAddress: string;
  GlobalIPv6Address: string;
  IPAMConfig: { IPv4Address?: string; IPv6Address?: string } | null;
}

function addressesOf({ IPAddress, GlobalIPv6Address, IPAMConfig: asked }: Attached): string {
  return `${IPAddress || (asked?.IPv4Address ?? "")} ${GlobalIPv6Address || (asked?.IPv6Address ?? "")}`.trim();
}

/** What Docker answered about its containers, its networks or itself, as lines. */
function dockersOwn(answer: string, exact: boolean): string[] {
  const [, what, json = ""] = /^@(\w+) (.*)$/.exec(answer) ?? [];
  if (what === "containers")
    return (JSON.parse(json) as Container[]).map(({ Names: [name], State, NetworkSettings }) => {
      const on = Object.entries(NetworkSettings.Networks).map(
        ([n, attached]) => `${n} ${addressesOf(attached)}`,
      );
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
