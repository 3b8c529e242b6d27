import { rawScript, type Script } from "../host/sh.ts";

/**
 * Lists what on a host says of itself that causeway made it, in lines that begin with `carries`: what comes back at boot, files
 * that say so at the beginning of a line, routes of our protocol number, rules with our comment. Of a Docker network or a key
 * of a JSON file it cannot be seen.
 */
export const readMarksScript: Script = rawScript(`{
  find /etc/causeway -type f
  grep -rlsI -e '^# Written by causeway' /etc/systemd /etc/sysctl.d /etc/default /etc/sysconfig /etc/etcd /etc/consul.d /usr/local/lib/causeway
  ip route show table all proto 202 | sed 's/^/route /'
  for table in raw mangle nat filter; do
    iptables-save -t $table | grep -e '--comment "\\{0,1\\}causeway[:" ]' | sed "s/^/rule in $table: /"
  done
} 2>/dev/null | sort -u | sed 's/^/carries /'`);

/** What the script found. */
export function parseMarks(text: string): string[] {
  return text.split("\n").flatMap((line) => (line.startsWith("carries ") ? [line.slice(8).trim()] : []));
}
