import type { Reader } from "../reader.ts";
import { type Script, sh } from "../sh.ts";

/** From where this run connects, as the host's sshd sees it. */
export interface Runner {
  /** Of this machine, or of the jump host. */
  address: string;
  /** The port of the host that it connects to. */
  port: number;
}

/**
 * Prints `runner ADDRESS PORT`, through the shell alone; nothing where no sshd is above it. sudo takes SSH_CONNECTION (ssh(1),
 * "Environment") away: then a process above still has it, in an environ whose parts `read` runs together.
 */
export const runnerLine: Script = sh`runner=$SSH_CONNECTION
p=$$
while [ -z "$runner" ] && [ "$p" -gt 1 ]; do
  above=1
  { while read -r line || [ -n "$line" ]; do
    case $line in *SSH_CONNECTION=*) runner=\${line##*SSH_CONNECTION=} ;; esac
    line=
  done </proc/$p/environ; } 2>/dev/null
  { while read -r key value; do [ "$key" != PPid: ] || above=$value; done </proc/$p/status; } 2>/dev/null
  p=$above
done
if [ -n "$runner" ]; then
  set -- $runner
  echo "runner $1 \${4%%[!0-9]*}"
fi`;

export async function readRunner(host: Reader): Promise<Runner | undefined> {
  const { stdout } = await host.read(runnerLine, { looksAt: [] });
  const [, address, port] = /^runner (\S+) (\d+)$/m.exec(stdout) ?? [];
  return address === undefined ? undefined : { address, port: Number(port) };
}
