import {
  type Address,
  CausewayError,
  daemonReload,
  defineTask,
  type FileState,
  type Link,
  later,
  meet,
  owed,
  type PlanItem,
  type Reader,
  refuseUnitOfOthers,
  reload,
  restart,
  type Step,
  sh,
  step,
  type UnitState,
} from "causeway";
import { marker, pathsOf, peersText, scriptText, unitText } from "./wireguard-link/files.ts";
import { type Params, type Peer, params } from "./wireguard-link/params.ts";
import {
  askDump,
  besideThose,
  knownPeers,
  peersIn,
  type Running,
  readDump,
  untold,
} from "./wireguard-link/peers.ts";

interface State {
  peers: FileState;
  script: FileState;
  unitFile: FileState;
  unit: UnitState;
  /** The public half of the key in the file; empty without one. */
  publicKey: string;
  /** The interface as wg has it; undefined where it is not there, or is none of WireGuard's. */
  running: Running | undefined;
  links: readonly Link[];
  addresses: readonly Address[];
  /** IPv6 addresses, where the interface is to have one. */
  addresses6?: readonly Address[] | undefined;
  /** Who listens on the port, where that is not this interface. */
  listeners: readonly string[];
}

/**
 * An interface of WireGuard's with a peer for every other host: what goes to a peer's container subnets is encrypted for it, and
 * only what comes from them is taken from it. A unit keeps it, now and at every boot; a wireguard-go that dies comes back with its
 * routes. Peers change without a gap. It is judged by what `wg` shows, not by its unit.
 */
export const wireguardLink = defineTask({
  name: "wireguard-link",
  summary: "An encrypted way to every peer's containers",
  params,
  key: ({ name }) => name,
  settles: "30s",
  read: readState,
  present: (state, wanted): readonly PlanItem[] => {
    refuseForeignInterface(state, wanted);
    refuseTakenPort(state, wanted);
    refuseUnitOfOthers(state.unit, pathsOf(wanted.name).unit);
    const keyless = wanted.peers.filter(({ public_key }) => public_key === undefined);
    if (keyless.length > 0)
      return [later(`the keys of ${keyless.map(({ name }) => name).join(", ")} are made first`)];
    const peers = wanted.keep
      ? besideThose(knownPeers(wanted), peersIn(state.peers.content))
      : knownPeers(wanted);
    const steps = missingFiles(state, wanted, peers);
    const { unit } = state;
    if (unit.enabled !== "enabled" || !["active", "activating"].includes(unit.active))
      return [...steps, starts(unit)];
    if (steps.length > 0) return steps;
    const why = staleness(state, wanted, peers);
    if (why) return [owed(why.cure(wanted.name), `${wanted.name}: ${why.words}`)];
    return wanted.met ? unmet(state, wanted, peers) : [];
  },
});

async function readState(host: Reader, { name, port, address6 }: Params): Promise<State> {
  const paths = pathsOf(name);
  const [peers, script, unitFile, unit, key, running, links, addresses, addresses6, listeners] =
    await Promise.all([
      host.file(paths.peers),
      host.file(paths.script),
      host.file(paths.unit),
      host.unit(`${name}.service`),
      host.read(sh`wg pubkey <${paths.key} 2>/dev/null; true`, { looksAt: [`file:${paths.key}`, "package"] }),
      host.read(askDump(name), { looksAt: [`unit:${name}.service`, "link", "package"] }),
      host.links(),
      host.addresses(),
      address6 === undefined ? undefined : host.addresses(6),
      host.read(sh`command -v ss >/dev/null || exit 0; ss -Hlunp ${`sport = :${port}`}`, {
        looksAt: [`unit:${name}.service`, "link"],
      }),
    ]);
  return {
    peers,
    script,
    unitFile,
    unit,
    publicKey: key.stdout.trim(),
    running: readDump(running.stdout),
    links,
    addresses,
    addresses6,
    listeners: listeners.stdout.split("\n").flatMap(listener),
  };
}

/** `UNCONN 0 0 0.0.0.0:51820 0.0.0.0:* users:(("wireguard-go",pid=325,fd=17))`: the address, and who it is. */
function listener(line: string): string[] {
  const [, , , local, , ...who] = line.trim().split(/\s+/);
  return local ? [[local, ...who].join(" ")] : [];
}

/** Our unit's file says that the interface is ours. */
function isOurs({ unitFile }: State): boolean {
  return unitFile.content.startsWith(marker);
}

function refuseForeignInterface(state: State, { name }: Params): void {
  const link = state.links.find((one) => one.name === name);
  if (isOurs(state) || (link === undefined && state.unitFile.kind === "absent")) return;
  const found = link ? `${name}: ${link.kind ?? "a link"}, ${link.up ? "up" : "down"}` : state.unitFile.path;
  throw new CausewayError("host", `causeway did not make ${name} of this host`, {
    found,
    expected: `no interface ${name}, and no unit of that name`,
    command: `ip -d link show ${name}; systemctl cat ${name}`,
    advice: `if nobody needs it: ip link del ${name}, and take it away where it is configured; or raise wg_generation: the interface then has another name`,
  });
}

function refuseTakenPort({ listeners, running }: State, { name, port }: Params): void {
  if (listeners.length === 0 || running?.port === port) return;
  throw new CausewayError("host", `another program has the UDP port ${port} of this host`, {
    found: listeners.join("\n"),
    expected: `nothing on UDP ${port}, or ${name} itself`,
    command: `ss -lunp 'sport = :${port}'`,
    advice: "stop that program, if nobody needs it; or choose another wg_port",
  });
}

function missingFiles(state: State, wanted: Params, peers: readonly Peer[]): Step[] {
  const isUp = state.unit.active === "active" && state.running !== undefined;
  const told = isUp ? [reload(wanted.name)] : [];
  const texts = [
    { was: state.peers, content: peersText(wanted, peers), mode: "600", causes: told },
    { was: state.script, content: scriptText(wanted), mode: "700", causes: told },
    {
      was: state.unitFile,
      content: unitText(wanted),
      causes: isUp ? [daemonReload, restart(wanted.name)] : [daemonReload],
    },
  ];
  return texts.filter(({ was, content }) => was.content !== content).map(step.file);
}

function starts(unit: UnitState): Step {
  const was = unit.present ? `${unit.enabled || "not enabled"}, ${unit.active}` : "not there";
  return step.unit({ name: unit.name, enabled: true, active: true, was });
}

function unmet({ running }: State, { port }: Params, peers: readonly Peer[]): PlanItem[] {
  const silent = peers
    .filter(({ publicKey }) => !running?.peers.get(publicKey)?.handshake)
    .map(({ name }) => name);
  return silent.length === 0 ? [] : [later(`no answer from ${silent.join(", ")} yet, over UDP ${port}`)];
}

interface Stale {
  words: string;
  cure: typeof reload;
}

/** What the kernel gives an interface by itself. */
const linkLocal = "fe80::/10";

/** What the running interface is otherwise, and what cures it. */
function staleness(state: State, wanted: Params, peers: readonly Peer[]): Stale | undefined {
  const { running, publicKey } = state;
  const link = state.links.find(({ name }) => name === wanted.name);
  if (running === undefined || link === undefined)
    return { words: `its unit is ${state.unit.active}, and the interface is gone`, cure: restart };
  const own = [
    `${wanted.address.split("/")[0]}/32`,
    ...(wanted.address6 === undefined ? [] : [`${wanted.address6}/128`]),
  ];
  const addresses = [...state.addresses, ...(state.addresses6 ?? [])]
    .filter(({ dev, cidr }) => dev === wanted.name && !meet(cidr, linkLocal))
    .map(({ cidr }) => cidr);
  const words =
    running.publicKey !== publicKey
      ? "it has another key than its file"
      : untold(running, wanted.port, peers) ||
        (link.mtu !== wanted.mtu ? `its MTU is ${link.mtu}` : "") ||
        (!link.up ? "it is down" : "") ||
        (addresses.join() !== own.join() ? `it has ${addresses.join(", ") || "no address"}` : "");
  return words === "" ? undefined : { words, cure: reload };
}
