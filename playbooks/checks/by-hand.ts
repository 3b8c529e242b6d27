import {
  defineFact,
  type FileState,
  type Route,
  type Rules,
  rawScript,
  readJson,
  type Script,
  type Standing,
  sh,
} from "causeway";

/** One file of docker.service: the unit's own, or a drop-in. */
export interface UnitFile {
  path: string;
  text: string;
}

/** A variable in a file that docker.service reads, and the --bip in its value. */
export interface Variable {
  path: string;
  name: string;
  flag: string;
}

/** A process of a scheme's that runs, in whichever way it was started. */
export interface Process {
  pid: string;
  name: string;
  /** Its control group as systemd names it: `/system.slice/consul.service`. */
  cgroup: string;
  /** The file that it runs; of a script the script. */
  program: string;
  /** Its first argument, unless that is an option. */
  command: string;
  /** Whether it takes connections over TCP. */
  listens: boolean;
}

/** Where things that were made by hand would show, and what causeway made itself. */
export interface ByHand {
  /** docker.service as it lies on disk, the unit's own file first. */
  unit: readonly UnitFile[];
  /** Where its files of variables have a --bip. */
  variables: readonly Variable[];
  /** /etc/docker/daemon.json. */
  config: FileState;
  /** What the schemes' own looks printed. */
  said: Said;
  processes: readonly Process[];
  routes: readonly Route[];
  rules: Rules;
  standing: readonly Standing[];
}

/** What the schemes' own looks print: the values of each word, in the order in which they stand. */
export type Said = Readonly<Record<string, readonly string[]>>;

/** One value of a word; empty where it was not said. */
export function wordOf(said: Said, word: string): string {
  return said[word]?.[0] ?? "";
}

/** Looks for what schemes consist of: processes with these names, and what the scripts print, lines `@WORD value`. */
export function byHandOf(processes: readonly string[], looks: readonly Script[]) {
  const script = sh`${look}
${lookForProcesses(processes)}
${looksIn(looks)}`;
  return defineFact({
    name: "by hand",
    read: async (host, { standing }): Promise<ByHand> => {
      const [looked, config, routes, rules, stands] = await Promise.all([
        host.read(script, { looksAt: [] }),
        host.file("/etc/docker/daemon.json"),
        host.routes(),
        host.rules(),
        standing,
      ]);
      return { ...parseLook(looked.stdout), config, routes, rules, standing: stands };
    },
  });
}

/** One script out of all, which succeeds whatever a host has. */
export function looksIn(looks: readonly Script[]): Script {
  return rawScript([...looks.map(({ text }) => text), "true"].join("\n"));
}

/** `systemctl cat` puts each file's path before it, as a comment. */
const look = sh`unit=$(systemctl cat docker.service 2>/dev/null)
printf '%s\n' "$unit"
while IFS= read -r line; do
  case $line in EnvironmentFile=*) file=\${line#*=} && file=\${file#-} ;; *) continue ;; esac
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *=*--bip[=\ ]*) printf '@variable %s %s\n' "$file" "$line" ;; esac
  done 2>/dev/null <"$file"
done <<END
$unit
END`;

function lookForProcesses(names: readonly string[]): Script {
  return sh`for dir in /proc/[0-9]*; do
  read -r name <"$dir/comm" || continue
  case " "${names.join(" ")}" " in *" $name "*) ;; *) continue ;; esac
  group=
  while IFS=: read -r number controllers path; do
    # systemd's own hierarchy of cgroup v1, or the one of v2, where that is its: a line says / where it is not.
    case $number:$controllers in *:name=systemd | 0:) case $group in '' | /) group=$path ;; esac ;; esac
  done <"$dir/cgroup"
  # One that is just ending is in no group but the root, and is gone in a moment.
  [ "$group" != / ] || sleep 1
  read -r stat <"$dir/stat" || continue
  case \${stat##*) } in Z* | X*) continue ;; esac
  echo "@process \${dir#/proc/} $name $group"
  case $group in *"/$name.service") continue ;; esac
  case $(ss -Hltnp 2>/dev/null) in *"pid=\${dir#/proc/},"*) listens=yes ;; *) listens=no ;; esac
  tr '\0' '\n' 2>/dev/null <"$dir/cmdline" | {
    read -r program
    read -r command
    case \${program##*/}:\${command##*/} in
      "$name":*) program=$(readlink "$dir/exe") ;;
      *:"$name") program=$command && read -r command ;;
    esac
    case $command in -*) command= ;; esac
    echo "@started \${dir#/proc/} $listens $program \${command%% *}"
  }
done`;
}

/** Parses what that prints. */
export function parseLook(text: string): Pick<ByHand, "unit" | "variables" | "processes" | "said"> {
  const unit: { path: string; lines: string[] }[] = [];
  const variables: Variable[] = [];
  const processes: Process[] = [];
  for (const line of text.split("\n")) {
    const [, path] = /^# (\/\S+\.(?:service|conf))$/.exec(line) ?? [];
    const [, word, rest = ""] = /^@(variable|process|started) (.*)$/.exec(line) ?? [];
    if (word === "process") {
      const [pid = "", name = "", cgroup = ""] = rest.split(" ");
      processes.push({ pid, name, cgroup, program: "", command: "", listens: false });
    } else if (word === "started") {
      const [, listens, program = "", command = ""] = rest.split(" ");
      const one = processes.at(-1);
      if (one) Object.assign(one, { listens: listens === "yes", program, command });
    } else if (word === "variable") {
      const [, path = "", name, flag = ""] = /^(\S+) +(\w*)=.*(--bip[= ][^" ]*)/.exec(rest) ?? [];
      if (name !== undefined) variables.push({ path, name, flag });
    } else if (line.startsWith("@")) continue;
    else if (path !== undefined) unit.push({ path, lines: [] });
    else unit.at(-1)?.lines.push(line);
  }
  return {
    variables,
    processes,
    said: saidIn(text),
    unit: unit.map(({ path, lines }) => ({ path, text: lines.join("\n") })),
  };
}

/** The lines `@WORD value` of an output, by their words. */
export function saidIn(text: string): Said {
  const said: Record<string, string[]> = {};
  for (const [, word = "", value = ""] of text.matchAll(/^@([\w-]+) (.*)$/gm)) {
    said[word] ??= [];
    said[word].push(value.trim());
  }
  return said;
}

/** One setting of a unit, and the file that makes it. */
export interface Setting {
  path: string;
  value: string;
}

/** What a key of docker.service is set to without causeway's own drop-ins; an empty value forgets those before it. */
export function settings(unit: readonly UnitFile[], key: string): Setting[] {
  let found: Setting[] = [];
  for (const { path, text } of unit.filter((file) => !isOurs(file))) {
    for (const line of text.replaceAll(/\\\n\s*/g, "").split("\n")) {
      const [name, ...value] = line.split("=");
      if (name?.trim() !== key) continue;
      const setting = { path, value: value.join("=").trim() };
      found = setting.value === "" ? [] : [...found, setting];
    }
  }
  return found;
}

/** Drop-ins that a task writes have the project's name in theirs. */
function isOurs({ path }: UnitFile): boolean {
  return path.slice(path.lastIndexOf("/")).includes("causeway");
}

/** Keys of daemon.json that are the user's: causeway did not set them, or puts them back when that is taken back. */
export function keysOfUser({ config, standing }: ByHand, names: readonly string[]): [string, unknown][] {
  const sets = standing.filter((e) => e.what === `keys of ${config.path}`);
  return Object.entries(readKeys(config)).filter(([name]) => {
    if (!names.includes(name)) return false;
    const first = sets.find((e) => e.keys?.[name] !== undefined);
    return first === undefined || new RegExp(`\\b${name} [^—]`).test(first.from ?? "");
  });
}

/** A file that is not JSON has no keys here: the task that would write it says where it is wrong. */
function readKeys(config: FileState): Record<string, unknown> {
  try {
    return readJson(config);
  } catch {
    return {};
  }
}

/** Typed as the article has it: a route through a gateway, of which `ip` says no protocol. */
export function isTyped({ via, proto }: Route): boolean {
  return via !== undefined && proto === undefined;
}

/** Processes that are of no service and of no container: they were started from a login, and are gone after a reboot. */
export function unmanaged(processes: readonly Process[]): Process[] {
  return processes.filter(({ cgroup }) => {
    // It ended while it was looked at.
    if (cgroup === "") return false;
    if (/docker|containerd|kubepods|libpod|crio|lxc/.test(cgroup)) return false;
    const unit = cgroup.split("/").findLast((part) => /\.(service|scope|slice)$/.test(part)) ?? "";
    return !unit.endsWith(".service") || logins.test(unit);
  });
}

/** Services in whose control group a user's commands run, where sessions have no control group of their own. */
const logins = /^(sshd?|user|getty|serial-getty|console-getty|container-getty|crond?|atd|rc-local)[@.]/;
