import type { Session } from "../host/session.ts";
import { parseOsRelease } from "../playbook/host-facts.ts";
import type { Finding } from "./finding.ts";

/** By so many seconds a host's clock may differ from this machine's. */
const clockTolerance = 60;
/** Free space below which a run fails, or may: in MiB. */
const [leastFree, littleFree] = [20, 500];

/** Everything in one trip, a `name=value` a line. */
const script = `
say() { printf '%s=%s\\n' "$1" "$(printf %s "$2" | tr '\\n' ' ')"; }
say uid "$(id -u)"
say systemd "$([ ! -d /run/systemd/system ] || systemctl --version | head -n 1)"
say ip "$(ip -V 2>/dev/null)"
say iptables "$(iptables --version 2>/dev/null)"
say client "$(command -v docker)"
say docker "$(docker version -f '{{.Server.Version}}' 2>/dev/null)"
say free "$(df -Pk /var/lib 2>/dev/null | tail -n 1)"
say clock "$(date +%s)"
cat /etc/os-release 2>/dev/null
:`;

/** What a host says of itself, as text; and when it was asked and had answered, in seconds. */
export interface HostAnswer {
  text: string;
  asked: number;
  answered: number;
}

export async function askHost(session: Session): Promise<HostAnswer> {
  const asked = Date.now() / 1000;
  const { stdout } = await session.run(script);
  return { text: stdout, asked, answered: Date.now() / 1000 };
}

/** Pure: what of it a run needs and does not find. */
export function hostFindings({ text, asked, answered }: HostAnswer): Finding[] {
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  const { id, like } = parseOsRelease(text);
  const isDebian = [id, ...like].some((name) => /^(debian|ubuntu)$/.test(name));
  const install = (debian: string, others: string) =>
    isDebian ? `apt-get install -y ${debian}` : `dnf install -y ${others}`;
  return [
    root(value("uid")),
    there("systemd", value("systemd"), "it is not what runs this host, and nothing else is supported"),
    there("iproute2", value("ip"), "ip is not on the PATH", install("iproute2", "iproute")),
    there("iptables", value("iptables"), "not on the PATH", install("iptables", "iptables-nft")),
    docker(value("client"), value("docker"), isDebian),
    disk(value("free")),
    clock(Number(value("clock")), asked, answered),
  ];
}

function root(uid: string): Finding {
  if (uid === "0") return { about: "root", level: "ok", found: "the session is root's" };
  return {
    about: "root",
    level: "missing",
    found: `the session is that of user ${uid}`,
    fix: "give -b, or set ansible_become: true in the inventory",
  };
}

function there(about: string, found: string, lost: string, fix?: string): Finding {
  if (found !== "") return { about, level: "ok", found };
  return { about, level: "missing", found: lost, ...(fix === undefined ? {} : { fix }) };
}

function docker(client: string, version: string, isDebian: boolean): Finding {
  if (version !== "") return { about: "Docker", level: "ok", found: version };
  if (client !== "")
    return {
      about: "Docker",
      level: "missing",
      found: "it is installed and does not answer",
      fix: "systemctl enable --now docker",
    };
  return {
    about: "Docker",
    level: "missing",
    found: "it is not installed",
    ...(isDebian ? { fix: "apt-get install -y docker.io" } : {}),
  };
}

/** The fourth column of `df -Pk` is what is free, in KiB (POSIX). */
function disk(line: string): Finding {
  const free = Math.floor(Number(line.split(/\s+/)[3] ?? Number.NaN) / 1024);
  if (!Number.isFinite(free))
    return { about: "disk", level: "warning", found: "df does not tell what is free in /var/lib" };
  const level = free < leastFree ? "missing" : free < littleFree ? "warning" : "ok";
  // On hosts with enough of it the number would only keep equal ones apart.
  const found = level === "ok" ? "enough is free in /var/lib" : `${free} MiB are free in /var/lib`;
  return {
    about: "disk",
    level,
    found,
    ...(level === "ok" ? {} : { fix: "du -xh -d 2 /var | sort -h | tail" }),
  };
}

/** The answer was on its way for some time, and a clock shows whole seconds. */
function clock(shown: number, asked: number, answered: number): Finding {
  const [least, most] = [shown - answered, shown + 1 - asked];
  if (least <= clockTolerance && most >= -clockTolerance)
    return { about: "clock", level: "ok", found: `within ${clockTolerance} s of this machine's` };
  const off = Math.round((least + most) / 2);
  return {
    about: "clock",
    level: "warning",
    found: `${Math.abs(off)} s ${off > 0 ? "ahead of" : "behind"} this machine's`,
    fix: "timedatectl set-ntp true",
  };
}
