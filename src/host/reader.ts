import { CausewayError } from "../errors.ts";
import { anyRelated, type Resource } from "./resources.ts";
import type { CommandResult, Session } from "./session.ts";
import type { Script } from "./sh.ts";
import { masked, sh } from "./sh.ts";
import { type DockerState, type NetworkMember, parseDocker, parseMembers } from "./tools/docker.ts";
import { type FileState, parseFile } from "./tools/file.ts";
import { type Address, type Link, parseAddresses, parseLinks, parseRoutes, type Route } from "./tools/ip.ts";
import { parseRules, type Rules } from "./tools/iptables.ts";
import { parsePackages } from "./tools/packages.ts";
import { parseSerf, type SerfState } from "./tools/serf.ts";
import { parseUnit, type UnitState } from "./tools/systemd.ts";

export interface ReadOptions {
  /** What the command looks at; everything, unless it says so. Only what a step could have changed is read again. */
  looksAt?: readonly Resource[];
  timeoutMs?: number;
}

/**
 * The reading side of one host: it looks and cannot change anything. Reads that are asked for in the same tick travel
 * together, and a read that nothing has touched since is answered from memory. Whatever is not there (a file, a
 * package, Docker itself) is a value; a daemon or store that does not answer is an error.
 */
export interface Reader {
  /** Runs a command that changes nothing, and gives its output and code. */
  read(script: Script, options?: ReadOptions): Promise<CommandResult>;
  /** Content, owner and mode of a file of at most 1 MiB. */
  file(path: string): Promise<FileState>;
  /** IPv4 routes of the main table. */
  routes(): Promise<readonly Route[]>;
  /** Where the host sends packets to an address: `ip route get`. */
  routeTo(address: string): Promise<Route | undefined>;
  links(): Promise<readonly Link[]>;
  /** IPv4 addresses. */
  addresses(): Promise<readonly Address[]>;
  /** All iptables rules in every table; `present` is false where iptables is missing. */
  rules(): Promise<Rules>;
  /** What causeway itself put aside to come back at boot. */
  kept(): Promise<Kept>;
  unit(name: string): Promise<UnitState>;
  /** Which of the packages are installed, with their versions. */
  packages(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The running value, or undefined where the kernel has no such key. */
  sysctl(key: string): Promise<string | undefined>;
  /** The running daemon: version, networks, containers. Never wakes a daemon that is not running. */
  docker(): Promise<DockerState>;
  /** Containers of a network, running or stopped, with their addresses. */
  networkMembers(network: string): Promise<readonly NetworkMember[]>;
  /** Whether this host's Docker has met the other hosts', as its log has it. */
  serf(): Promise<SerfState>;
}

/** The routes, rules and links that come back at boot, as lines of their files. */
export interface Kept {
  /** Whether the unit that brings them back is enabled. */
  enabled: boolean;
  lines: readonly string[];
}

interface Seen {
  looksAt: readonly Resource[];
  result: Promise<CommandResult>;
}

/** What was read on one host so far, shared by all tasks of a run. */
export class ReadMemory {
  readonly #seen = new Map<string, Seen>();
  readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  ask(script: Script, { looksAt = ["*"], timeoutMs }: ReadOptions = {}): Promise<CommandResult> {
    const known = this.#seen.get(script.text);
    if (known) return known.result;
    const result = this.session.run(script.text, {
      secrets: script.secrets,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    this.#seen.set(script.text, { looksAt, result });
    result.catch(() => this.#seen.delete(script.text));
    return result;
  }

  /** What the steps touched is read again when it is next asked for. */
  forget(touched: readonly Resource[]): void {
    for (const [text, { looksAt }] of this.#seen) if (anyRelated(touched, looksAt)) this.#seen.delete(text);
  }
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

  /** A read that has to succeed; what it says when it does not is the error. */
  async #must(script: Script, looksAt: readonly Resource[]): Promise<string> {
    const { stdout, stderr, code } = await this.read(script, { looksAt });
    if (code === 0) return stdout;
    throw new CausewayError("host", `a read failed with code ${code}`, {
      host: this.#memory.session.name,
      command: masked(script.text, script.secrets),
      output: masked(stderr || stdout, script.secrets),
    });
  }

  async file(path: string): Promise<FileState> {
    const script = sh`f=${path}; if [ -d "$f" ]; then echo folder; elif [ -e "$f" ]; then s=$(stat -L -c 'file %a %u %g %s' -- "$f") && echo "$s" && sha256sum <"$f" && { [ "\${s##* }" -gt 1048576 ] || cat -- "$f"; }; else echo absent; fi`;
    return parseFile(path, await this.#must(script, [`file:${path}`]));
  }

  async routes(): Promise<readonly Route[]> {
    return parseRoutes(await this.#must(sh`exec ip -4 route show table main`, ["route"]));
  }

  async routeTo(address: string): Promise<Route | undefined> {
    const { stdout, code } = await this.read(sh`exec ip -4 route get ${address}`, {
      looksAt: ["route", "link"],
    });
    return code === 0 ? parseRoutes(stdout)[0] : undefined;
  }

  async links(): Promise<readonly Link[]> {
    return parseLinks(await this.#must(sh`exec ip -o -d link show`, ["link"]));
  }

  async addresses(): Promise<readonly Address[]> {
    return parseAddresses(await this.#must(sh`exec ip -o -4 addr show`, ["link"]));
  }

  async rules(): Promise<Rules> {
    return parseRules(
      await this.#must(
        sh`command -v iptables-save >/dev/null || { echo missing; exit 0; }; exec iptables-save`,
        ["rule"],
      ),
    );
  }

  async kept(): Promise<Kept> {
    const script = sh`[ -e /etc/systemd/system/multi-user.target.wants/causeway-network.service ] && echo enabled || echo disabled; cat /etc/causeway/routes/* /etc/causeway/rules/* /etc/causeway/links/* 2>/dev/null; true`;
    const text = await this.#must(script, ["route", "rule", "link", "unit:causeway-network.service"]);
    const [enabled, ...lines] = text.split("\n");
    return { enabled: enabled === "enabled", lines };
  }

  async unit(name: string): Promise<UnitState> {
    const properties =
      "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,MainPID,ExecStart";
    const script = sh`shown=$(systemctl show -p ${properties} ${name}) || exit
printf '%s\n' "$shown"
pid=\${shown##*MainPID=}; pid=\${pid%%[!0-9]*}
[ "\${pid:-0}" = 0 ] || { printf CommandLine=; exec cat; } 2>/dev/null <"/proc/$pid/cmdline"
true`;
    return parseUnit(name, await this.#must(script, [`unit:${name}`]));
  }

  async packages(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const script = sh`if command -v apt-get >/dev/null; then dpkg-query -W -f '\${db:Status-Abbrev} \${Package} \${Version}\n' ${names} 2>/dev/null | sed -n 's/^ii *//p'; else rpm -q --qf '%{NAME} %{VERSION}-%{RELEASE}\n' ${names} | grep -v 'not installed'; fi; true`;
    return parsePackages(await this.#must(script, ["package"]));
  }

  async sysctl(key: string): Promise<string | undefined> {
    const path = `/proc/sys/${key.includes("/") ? key : key.replaceAll(".", "/")}`;
    // Not by the shell's own `read`: it asks byte by byte, and the kernel then gives a number's first digit alone.
    const { stdout, code } = await this.read(sh`exec cat ${path}`, { looksAt: [`sysctl:${key}`] });
    return code === 0 ? stdout.trim().replaceAll("\t", " ") : undefined;
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
docker version -f 'running {{.Server.Version}}' && docker network ls --no-trunc --format '{{.ID}} {{.Driver}} {{.Scope}} {{.Name}}' && echo -- && docker ps -a --no-trunc --format '{{.ID}} {{.State}} {{.Names}} {{.Networks}}'`;
    return parseDocker(await this.#must(script, ["docker", "unit:docker"]));
  }

  async networkMembers(network: string): Promise<readonly NetworkMember[]> {
    // The filter takes the beginning of another network's id for the name, too; the format does not.
    const script = sh`systemctl is-active -q docker || exit 0
ids=$(docker ps -aq --no-trunc --filter network=${network}) || exit 1
[ -z "$ids" ] || docker inspect -f ${`{{$c := .}}{{with index .NetworkSettings.Networks "${network}"}}{{$c.Name}} {{$c.State.Running}} {{.IPAddress}} {{with .IPAMConfig}}{{.IPv4Address}}{{end}}{{end}}`} $ids`;
    return parseMembers(await this.#must(script, ["docker", "unit:docker"]));
  }

  async serf(): Promise<SerfState> {
    // What it says at its start comes first in its log; the whole of a long one is read only where a call failed.
    const script = sh`[ -s /run/docker.pid ] && command -v journalctl >/dev/null || exit 0
said() { journalctl -q -b -o cat "_PID=$(cat /run/docker.pid)"; }
said | head -n 1000 | grep -q 'joining serf neighbor' || exit 0
echo "$(stat -c %Y /run/docker.pid) $(date +%s)"
said | grep 'serf: EventMemberJoin'; true`;
    return parseSerf(await this.#must(script, ["unit:docker"]));
  }
}
