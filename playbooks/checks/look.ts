import { type Reader, sh } from "causeway";

/**
 * A few words about a host, which it says in one read, through the shell alone: a line each, `NAME VALUE`. The runner is the
 * address from which this run connects, or its jump host does. sudo takes SSH_CONNECTION away: then a process above still
 * has it, in an environ whose parts `read` runs together. systemd-resolved names its servers in a file of its own.
 */
const look = sh`read -r name </proc/sys/kernel/hostname && echo "hostname $name"
runner=\${SSH_CONNECTION%% *}
p=$$
while [ -z "$runner" ] && [ "$p" -gt 1 ]; do
  above=1
  { while read -r line || [ -n "$line" ]; do
    case $line in *SSH_CONNECTION=*) runner=\${line##*SSH_CONNECTION=}; runner=\${runner%% *} ;; esac
    line=
  done </proc/$p/environ; } 2>/dev/null
  { while read -r key value; do [ "$key" != PPid: ] || above=$value; done </proc/$p/status; } 2>/dev/null
  p=$above
done
echo "runner $runner"
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
