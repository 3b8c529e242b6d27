import { type Reader, runnerLine, sh } from "causeway";

/**
 * A few words about a host, which it says in one read, through the shell alone: a line each, `NAME VALUE`. systemd-resolved
 * names its servers in a file of its own.
 */
const look = sh`read -r name </proc/sys/kernel/hostname && echo "hostname $name"
${runnerLine}
for f in /etc/resolv.conf /run/systemd/resolve/resolv.conf; do
  { while read -r key value rest; do [ "$key" != nameserver ] || echo "nameserver $value"; done <$f; } 2>/dev/null
done
command -v firewalld >/dev/null && systemctl is-active -q firewalld && echo "firewall firewalld"
[ -e /etc/ufw/ufw.conf ] && grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && echo "firewall ufw"
true`;

/** What a host says under a name, each value once. */
export async function said(host: Reader, name: string): Promise<string[]> {
  const { stdout } = await host.read(look, { looksAt: [] });
  const lines = stdout.split("\n").filter((line) => line.startsWith(`${name} `));
  return [...new Set(lines.map((line) => line.slice(name.length + 1).trim()))].filter(Boolean);
}
