import { rawScript, type Script } from "../host/sh.ts";

/**
 * Lists what on a host says of itself that causeway made it, in lines that begin with `carries`: what comes back at boot, files
 * that say so by their name or at the beginning of a line, links by their name, routes of our protocol number, rules with our
 * comment, chains by their name, what Docker keeps with our label. Of a Docker network without one, of a package or of a key of
 * a JSON file it cannot be seen. A Docker that does not run is not started for it.
 */
export const readMarksScript: Script = rawScript(`{
  find /etc/causeway -type f
  find /etc/wireguard /etc/consul.d -name '*causeway*' -type f
  find /etc/systemd/system -name causeway-network.service
  grep -rlsI -e '^# Written by causeway' /etc/systemd /etc/sysctl.d /etc/default /etc/sysconfig /etc/etcd /etc/consul.d /etc/wireguard /usr/local/lib/causeway
  ip -o link show | sed -n 's/^[0-9]*: \\(wg-causeway[0-9]*\\)[:@].*/link \\1/p'
  { ip -4 route show table all proto 202; ip -6 route show table all proto 202; } | sed 's/^/route /'
  for family in "" ip6:; do
    [ -z "$family" ] && save=iptables-save || save=ip6tables-save
    $save | sed -n -e "/^\\*/ { s/^./$family/; h }" -e '/--comment "\\{0,1\\}causeway[:" ]/ { G; s/\\(.*\\)\\n\\(.*\\)/rule in \\2: \\1/p }' -e '/^:CAUSEWAY-/ { G; s/^:\\([^ ]*\\).*\\n\\(.*\\)/chain in \\2: \\1/p }'
  done
  if systemctl is-active -q docker; then
    docker ps -a --filter label=causeway.words --format 'container {{.Names}}'
    docker network ls --filter label=causeway.network --format 'network {{.Name}}'
  fi
} 2>/dev/null | sort -u | sed 's/^/carries /'`);

/** What the script found. */
export function parseMarks(text: string): string[] {
  return text.split("\n").flatMap((line) => (line.startsWith("carries ") ? [line.slice(8).trim()] : []));
}
