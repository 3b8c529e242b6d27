import { CausewayError } from "../errors.ts";
import type { Family } from "../net/ipv6.ts";
import { anyRelated, type Resource } from "./resources.ts";
import type { CommandResult, Session } from "./session.ts";
import type { Script } from "./sh.ts";
import { masked, rawScript, sh } from "./sh.ts";
import { type DockerState, type NetworkMember, ownLabel, parseDocker, parseMembers } from "./tools/docker.ts";
import { type DockerInfo, parseDockerInfo } from "./tools/docker-info.ts";
import { type FileState, parseFile } from "./tools/file.ts";
import { type Address, type Link, parseAddresses, parseLinks, parseRoutes, type Route } from "./tools/ip.ts";
import { type OtherIptables, parseOther, parseRules, type Rules } from "./tools/iptables.ts";
import { parsePackages } from "./tools/packages.ts";
import { parseSerf, type SerfState } from "./tools/serf.ts";
import { lastSysctlFile, parseSysctlFiles, type SysctlLine, sysctlFolders } from "./tools/sysctl.ts";
import { parseUnit, type UnitState } from "./tools/systemd.ts";

export interface ReadOptions {
  /** What the command looks at; everything, unless it says so. Only what a step could have changed is read again. */
  looksAt?: readonly Resource[];
  timeoutMs?: number;
}

/**
 * The reading side of one host: it reads and cannot change anything. Reads that are asked for in the same tick travel
 * together, and a read that nothing has touched since is answered from memory. Whatever is not there (a file, a
 * package, Docker itself) is a value; a daemon or store that does not answer is an error.
 */
export interface Reader {
  /** Runs a command that changes nothing, and gives its output and code. */
  read(script: Script, options?: ReadOptions): Promise<CommandResult>;
  /** Content, owner and mode of a file of at most 1 MiB. */
  file(path: string): Promise<FileState>;
  /** Routes of the main table, IPv4's unless the family is 6. */
  routes(family?: Family): Promise<readonly Route[]>;
  /** Where the host sends packets to an address of either family: `ip route get`. */
  routeTo(address: string): Promise<Route | undefined>;
  links(): Promise<readonly Link[]>;
  /** IPv4 addresses, or IPv6 addresses for the family 6. */
  addresses(family?: Family): Promise<readonly Address[]>;
  /**
   * All rules of iptables in every table, or those of ip6tables for the family 6, whose tables are called `ip6:filter`;
   * `present` is false where the program is missing.
   */
  rules(family?: Family): Promise<Rules>;
  /** The rules of the other backend of iptables, which the kernel applies as well; undefined where it has none. */
  otherRules(): Promise<OtherIptables | undefined>;
  /** The files by which causeway restores something at boot, of one kind. */
  kept(part: KeptPart): Promise<Kept>;
  unit(name: string): Promise<UnitState>;
  /** Which of the packages are installed, with their versions. */
  packages(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The running value, or undefined where the kernel has no such key. */
  sysctl(key: string): Promise<string | undefined>;
  /** The lines of files that set the key at boot, in the order in which they apply: the last one wins. */
  sysctlFiles(key: string): Promise<readonly SysctlLine[]>;
  /** The running daemon: version, networks, containers. Never starts a daemon that is not running. */
  docker(): Promise<DockerState>;
  /** What Docker says of itself: it costs the daemon a few processes of its own, so that it is asked for a fact, not for each task. */
  dockerInfo(): Promise<DockerInfo>;
  /** Containers of a network, running or stopped, with their addresses. */
  networkMembers(network: string): Promise<readonly NetworkMember[]>;
  /** Whether this host's Docker has met the other hosts', as its log has it. */
  serf(): Promise<SerfState>;
}

export type KeptPart = "links" | "routes" | "chains" | "rules";

/** What comes back at boot, of one sort. */
export interface Kept {
  /** Whether the unit that brings it back is enabled. */
  enabled: boolean;
  /** The lines of each file, by the file's name. */
  files: ReadonlyMap<string, readonly string[]>;
}

/** Whether a line comes back at boot. */
export function isKept({ enabled, files }: Kept, line: string): boolean {
  return enabled && [...files.values()].some((lines) => lines.includes(line));
}

interface Seen {
  looksAt: readonly Resource[];
  result: Promise<CommandResult>;
  /** The parsed result, kept as long as the result itself. */
  parsed?: Promise<unknown>;
}

/** What was read on one host so far, shared by all tasks of a run. */
export class ReadMemory {
  readonly #seen = new Map<string, Seen>();
  readonly session: Session;
  /** How often something was forgotten: what was concluded from its answers holds until the number is another. */
  forgotten = 0;

  constructor(session: Session) {
    this.session = session;
  }

  ask(script: Script, options: ReadOptions = {}): Promise<CommandResult> {
    return this.#asked(script, options).result;
  }

  /** The same, taken apart once for each answer: until it is read again, all get the same object. */
  parsed<T>(script: Script, options: ReadOptions, parse: (result: CommandResult) => T): Promise<T> {
    const seen = this.#asked(script, options);
    seen.parsed ??= seen.result.then(parse);
    // A script is always taken apart in the same way.
    return seen.parsed as Promise<T>;
  }

  #asked(script: Script, { looksAt = ["*"], timeoutMs }: ReadOptions): Seen {
    const known = this.#seen.get(script.text);
    if (known) return known;
    const result = this.session.run(script.text, {
      secrets: script.secrets,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    const seen: Seen = { looksAt, result };
    this.#seen.set(script.text, seen);
    result.catch(() => this.#seen.delete(script.text));
    return seen;
  }

  /** What the steps touched is read again when it is next asked for. */
  forget(touched: readonly Resource[]): void {
    this.forgotten += 1;
    for (const [text, { looksAt }] of this.#seen) if (anyRelated(touched, looksAt)) this.#seen.delete(text);
  }

  /** The host is another one now: what no step touches is read again, too. */
  forgetAll(): void {
    this.forgotten += 1;
    this.#seen.clear();
  }
}

/** What a step that keeps one of them touches. */
const keptResource = { links: "link", routes: "route", chains: "rule", rules: "rule" } as const;

function parseKept(text: string): Kept {
  const files = new Map<string, string[]>();
  const [enabled, ...found] = text.split("\n");
  for (const line of found) {
    const end = line.indexOf(":");
    if (end < 0) continue;
    const name = line.slice(0, end);
    const lines = files.get(name) ?? [];
    files.set(name, lines);
    lines.push(line.slice(end + 1));
  }
  return { enabled: enabled === "enabled", files };
}

/** A view of a host's memory that remembers which resources were looked at through it. */
export class HostReader implements Reader {
  readonly looked = new Set<Resource>();
  readonly #memory: ReadMemory;

  constructor(memory: ReadMemory) {
    this.#memory = memory;
  }

  async read(script: Script, options: ReadOptions = {}): Promise<CommandResult> {
    for (const resource of options.looksAt ?? ["*"]) this.looked.add(resource);
    return this.#memory.ask(script, options);
  }

  /** A read that has to succeed, taken apart; what it says when it does not is the error. */
  async #must<T>(script: Script, looksAt: readonly Resource[], parse: (stdout: string) => T): Promise<T> {
    for (const resource of looksAt) this.looked.add(resource);
    return this.#memory.parsed(script, { looksAt }, ({ stdout, stderr, code }) => {
      if (code === 0) return parse(stdout);
      throw new CausewayError("host", `a read failed with code ${code}`, {
        host: this.#memory.session.name,
        command: masked(script.text, script.secrets),
        output: masked(stderr || stdout, script.secrets),
      });
    });
  }

  async file(path: string): Promise<FileState> {
    const script = sh`f=${path}; if [ -d "$f" ]; then echo folder; elif [ -e "$f" ]; then s=$(stat -L -c 'file %a %u %g %s' -- "$f") && echo "$s" && sha256sum <"$f" && { [ "\${s##* }" -gt 1048576 ] || cat -- "$f"; }; else echo absent; fi`;
    return this.#must(script, [`file:${path}`], (text) => parseFile(path, text));
  }

  async routes(family: Family = 4): Promise<readonly Route[]> {
    return this.#must(sh`exec ip ${`-${family}`} route show table main`, ["route"], parseRoutes);
  }

  async routeTo(address: string): Promise<Route | undefined> {
    const { stdout, code } = await this.read(sh`exec ip route get ${address}`, {
      looksAt: ["route", "link"],
    });
    return code === 0 ? parseRoutes(stdout)[0] : undefined;
  }

  async links(): Promise<readonly Link[]> {
    return this.#must(sh`exec ip -o -d link show`, ["link"], parseLinks);
  }

  async addresses(family: Family = 4): Promise<readonly Address[]> {
    return this.#must(sh`exec ip -o ${`-${family}`} addr show`, ["link"], parseAddresses);
  }

  async rules(family: Family = 4): Promise<Rules> {
    const save = family === 6 ? "ip6tables-save" : "iptables-save";
    const script = sh`command -v ${save} >/dev/null || { echo missing; exit 0; }; exec ${save}`;
    return this.#must(script, ["rule"], (text) => parseRules(text, family));
  }

  async otherRules(): Promise<OtherIptables | undefined> {
    // Listing legacy's tables makes the kernel load them: only where it has some. `-ef`: both are links to one program.
    const script = sh`ours=$(command -v iptables) || exit 0
if [ "$ours" -ef "$(command -v xtables-nft-multi)" ]; then
  { read -r any </proc/net/ip_tables_names; } 2>/dev/null || exit 0
  tool=iptables-legacy
elif [ "$ours" -ef "$(command -v xtables-legacy-multi)" ]; then tool=iptables-nft
else exit 0; fi
command -v $tool-save >/dev/null || exit 0
echo $tool; exec $tool-save`;
    return this.#must(script, ["rule"], parseOther);
  }

  async kept(part: KeptPart): Promise<Kept> {
    const script = sh`[ -e /etc/systemd/system/multi-user.target.wants/causeway-network.service ] && echo enabled || echo disabled; cd /etc/causeway/${part} 2>/dev/null && grep -a '' /dev/null *; true`;
    // The unit comes with the first of them and goes with the last: of these alone it can be read again.
    return this.#must(script, [keptResource[part]], parseKept);
  }

  async unit(name: string): Promise<UnitState> {
    const properties =
      "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,MainPID,ExecStart";
    const script = sh`newline='
'
shown=$(systemctl show -p ${properties} ${name}) || exit
printf '%s\n' "$shown"
drops=
case $shown in
  # It has no drop-ins yet; these it will have.
  *LoadState=not-found*) drops="/etc/systemd/system/"${name}".d/*.conf /run/systemd/system/"${name}".d/*.conf" ;;
  *DropInPaths=*) drops=\${shown##*DropInPaths=}; drops=\${drops%%"$newline"*} ;;
esac
for file in $drops; do
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in ExecStart[\ =]* | Environment[\ =]* | EnvironmentFile[\ =]*) printf 'Sets %s %s\n' "$file" "$line" ;; esac
  done 2>/dev/null <"$file"
done
pid=\${shown##*MainPID=}; pid=\${pid%%[!0-9]*}
[ "\${pid:-0}" = 0 ] || { printf CommandLine=; exec cat; } 2>/dev/null <"/proc/$pid/cmdline"
true`;
    return this.#must(script, [`unit:${name}`], (text) => parseUnit(name, text));
  }

  async packages(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const script = sh`if command -v apt-get >/dev/null; then dpkg-query -W -f '\${db:Status-Abbrev} \${Package} \${Version}\n' ${names} 2>/dev/null | sed -n 's/^ii *//p'; else rpm -q --qf '%{NAME} %{VERSION}-%{RELEASE}\n' ${names} | grep -v 'not installed'; fi; true`;
    return this.#must(script, ["package"], parsePackages);
  }

  async sysctl(key: string): Promise<string | undefined> {
    const path = `/proc/sys/${key.includes("/") ? key : key.replaceAll(".", "/")}`;
    // Not by the shell's own `read`: it asks byte by byte, and the kernel then gives a number's first digit alone.
    const { stdout, code } = await this.read(sh`exec cat ${path}`, { looksAt: [`sysctl:${key}`] });
    return code === 0 ? stdout.trim().replaceAll("\t", " ") : undefined;
  }

  async sysctlFiles(key: string): Promise<readonly SysctlLine[]> {
    const files = [...sysctlFolders.map((folder) => `${folder}/*.conf`), lastSysctlFile].join(" ");
    const script = sh`for file in ${rawScript(files)}; do [ ! -e "$file" ] || echo "file $file"; done
grep -asHE ${"^[[:space:]]*-?[[:space:]]*[A-Za-z*].*="} ${rawScript(files)}; true`;
    const { stdout } = await this.read(script, { looksAt: [`sysctl:${key}`] });
    return parseSysctlFiles(stdout, key);
  }

  async docker(): Promise<DockerState> {
    const script = sh`command -v docker >/dev/null || { echo missing; exit 0; }
# A process that is dockerd can be asked; only where its pid file does not name one, systemd has to say whether it runs.
# Docker 20.10 writes no newline behind its pid, and the shell's \`read\` fails although it reads.
{ read -r pid || [ -n "$pid" ]; } 2>/dev/null </run/docker.pid && read -r name 2>/dev/null <"/proc/$pid/comm" && [ "$name" = dockerd ] ||
  systemctl is-active -q docker || { echo stopped; exit 0; }
# Docker's command line takes a fifth of a second to start, each time: where curl is, its socket is asked directly.
if [ -z "$DOCKER_HOST" ] && [ -S /var/run/docker.sock ] && command -v curl >/dev/null; then
  at=http://docker
  # Each answer's head names the daemon's version; to ask for it makes the daemon start runc and others.
  told=$(curl -sfi --fail-early --unix-socket /var/run/docker.sock $at/networks "$at/containers/json?all=1") && case $told in *"Server: Docker/"*) printf '%s\n' "$told"; exit 0 ;; esac
fi
docker version -f 'running {{.Server.Version}}' && ids=$(docker network ls -q --no-trunc) && docker network inspect -f '{{.ID}} {{.Driver}} {{.Scope}} {{with index .Options "com.docker.network.bridge.name"}}{{.}}{{else}}-{{end}} {{range .IPAM.Config}}{{.Subnet}},{{end}}- {{.Name}}' $ids && echo -- && docker ps -a --no-trunc --format '{{if not (.Label "${ownLabel}")}}{{.ID}} {{.State}} {{.Names}} {{.Networks}}{{end}}'`;
    return this.#must(script, ["docker", "unit:docker"], parseDocker);
  }

  async dockerInfo(): Promise<DockerInfo> {
    // Only of a process that is dockerd already: a question to its socket would start it.
    const script = sh`for socket in /run/user/*/docker.sock; do [ ! -S "$socket" ] || echo "user $socket"; done
{ read -r pid || [ -n "$pid" ]; } 2>/dev/null </run/docker.pid && read -r name 2>/dev/null <"/proc/$pid/comm" && [ "$name" = dockerd ] || exit 0
if [ -z "$DOCKER_HOST" ] && command -v curl >/dev/null; then curl -sf --unix-socket /var/run/docker.sock http://docker/info && exit 0; fi
docker info -f '{{json .}}' 2>/dev/null; true`;
    return this.#must(script, ["docker", "unit:docker"], parseDockerInfo);
  }

  async networkMembers(network: string): Promise<readonly NetworkMember[]> {
    // The filter takes the beginning of another network's id for the name, too; the format does not.
    const script = sh`systemctl is-active -q docker || exit 0
ids=$(docker ps -aq --no-trunc --filter network=${network}) || exit 1
[ -z "$ids" ] || docker inspect -f ${`{{$c := .}}{{with index .NetworkSettings.Networks "${network}"}}{{if not (index $c.Config.Labels "${ownLabel}")}}{{$c.Name}} {{$c.State.Running}} {{.IPAddress}} {{with .IPAMConfig}}{{.IPv4Address}}{{end}} {{.GlobalIPv6Address}} {{with .IPAMConfig}}{{.IPv6Address}}{{end}}{{end}}{{end}}`} $ids`;
    return this.#must(script, ["docker", "unit:docker"], parseMembers);
  }

  async serf(): Promise<SerfState> {
    // What it says at its start comes first in its log; the whole of a long one is read only where a call failed.
    const script = sh`[ -s /run/docker.pid ] && command -v journalctl >/dev/null || exit 0
said() { journalctl -q -b -o cat "_PID=$(cat /run/docker.pid)"; }
said | head -n 1000 | grep -q 'joining serf neighbor' || exit 0
echo "$(stat -c %Y /run/docker.pid) $(date +%s)"
said | grep 'serf: EventMemberJoin'; true`;
    return this.#must(script, ["unit:docker"], parseSerf);
  }
}
