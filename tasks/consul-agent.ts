import {
  AbsolutePath,
  CausewayError,
  daemonReload,
  defineTask,
  type FileState,
  Ipv4,
  type Kept,
  later,
  missingPorts,
  type PlanItem,
  type Rules,
  restart,
  Secret,
  type Static,
  type Step,
  secret,
  sh,
  step,
  Type,
  type UnitState,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({ description: "this agent's name in the cluster" }),
    address: Ipv4({ description: "the address that it binds to, and that its peers call" }),
    server: Type.Boolean({
      description: "whether it keeps the store, or passes questions on to those that do",
    }),
    servers: Type.Array(Ipv4(), { minItems: 1, description: "the addresses of all servers" }),
    clients: Type.Array(Ipv4(), { description: "the addresses that may reach ports 8300 and 8301" }),
    gossip_key: Type.Optional(
      secret(
        Type.String({
          pattern: "^[A-Za-z0-9+/]{43}=$|^[A-Za-z0-9+/]{22}==$",
          description: "encrypts what the agents say to each other, out of `consul keygen`; a secret",
        }),
      ),
    ),
    ui: Type.Boolean({ default: false, description: "whether it serves its web pages, on loopback" }),
    data_dir: AbsolutePath({
      default: "/var/lib/consul/causeway",
      description: "where the agent keeps its data",
    }),
    comment: Type.String({
      default: "causeway:consul",
      pattern: "^[\\w:.-]+$",
      description: "who owns the rules; iptables-save shows it",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

const configPath = "/etc/consul.d/causeway.json";
const dropInPath = "/etc/systemd/system/consul.service.d/causeway.conf";
const marker = "# Written by causeway (consul-agent).";

interface State {
  installed: boolean;
  config: FileState;
  dropIn: FileState;
  unit: UnitState;
  hasData: boolean;
  /** The process ids of a consul that no unit of that name started. */
  strays: readonly string[];
  /** Whether the servers have a leader, and what was said instead. */
  leader: { there: boolean; said: string };
  /** The addresses of the members that are alive. */
  alive: readonly string[];
  rules: Rules;
  kept: Kept;
}

/**
 * One consul agent out of the distribution's package: server or client, answering on loopback only. A leader and the
 * list of members are the proof, not "active".
 */
export const consulAgent = defineTask({
  name: "consul-agent",
  summary: "A consul agent, open to the inventory's hosts only",
  params,
  key: () => "consul",
  settles: "60s",
  read: async (host, { data_dir }): Promise<State> => {
    const looksAt = ["package", "unit:consul.service", "shared:consul"];
    const [installed, config, dropIn, unit, data, strays, leader, members, rules, kept] = await Promise.all([
      host.read(sh`command -v consul`, { looksAt: ["package"] }),
      host.file(configPath),
      host.file(dropInPath),
      host.unit("consul.service"),
      host.read(sh`[ -d ${data_dir} ]`, { looksAt: ["unit:consul.service", `file:${data_dir}`] }),
      host.read(strayProcesses, { looksAt: ["unit:consul.service"] }),
      host.read(sh`timeout 5 consul operator raft list-peers`, { looksAt }),
      host.read(sh`timeout 5 consul members -status=alive`, { looksAt }),
      host.rules(),
      host.kept(),
    ]);
    return {
      installed: installed.code === 0,
      config,
      dropIn,
      unit,
      hasData: data.code === 0,
      strays: strays.stdout.split("\n").filter(Boolean),
      leader: {
        there: leader.code === 0 && /\bleader\b/.test(leader.stdout),
        said: leader.stderr.trim().split("\n").at(-1) ?? "",
      },
      alive: addressesOf(members.stdout),
      rules,
      kept,
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutIptables(state.rules);
    refuseStrays(state);
    const ports = { tcp: [8300, 8301], udp: [8301], from: wanted.clients, comment: wanted.comment };
    const doors = missingPorts(state.rules, state.kept, ports).map((rule) => step.rule(rule));
    if (!state.installed)
      return [
        step.packages({ names: ["consul"] }),
        ...doors,
        later("consul is configured and started once its package is there"),
      ];
    refuseForeign(state);
    refuseReconfiguration(state, wanted);
    const missing = [...doors, ...missingFiles(state, wanted)];
    const { unit, hasData } = state;
    if (unit.enabled !== "enabled" || !["active", "activating"].includes(unit.active))
      return [
        ...missing,
        ...(hasData ? [] : [dataFolder(wanted)]),
        start(unit),
        later("consul has no leader yet"),
      ];
    if (missing.length > 0) return missing;
    if (!state.leader.there) return [later(`consul has no leader yet: ${state.leader.said || unit.active}`)];
    const away = [wanted.address, ...wanted.servers].filter((address) => !state.alive.includes(address));
    return away.length > 0 ? [later(`not alive among consul's members: ${away.join(", ")}`)] : [];
  },
});

/** consul processes whose control group is not that of consul.service: started by hand, with nohup. */
const strayProcesses = sh`for dir in /proc/[0-9]*; do
  [ "$(cat "$dir/comm" 2>/dev/null)" = consul ] || continue
  tr '\0' ' ' <"$dir/cmdline" | grep -q ' agent' || continue
  grep -q '/consul\.service$' "$dir/cgroup" || echo "\${dir#/proc/} $(tr '\0' ' ' <"$dir/cmdline")"
done`;

/** `docker-200  10.0.0.200:8301  alive  server  …` → `10.0.0.200`. */
function addressesOf(table: string): string[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[1]?.replace(/:\d+$/, "") ?? []);
}

function configText(wanted: Params): string {
  const { name, address, server, servers, data_dir, gossip_key, ui } = wanted;
  const settings = {
    node_name: name,
    server,
    ...(server ? { bootstrap_expect: servers.length } : {}),
    // Several private addresses make consul exit unless it is told which.
    bind_addr: address,
    client_addr: "127.0.0.1",
    retry_join: servers,
    // Its own default is half a minute: a client that was faster than its server would wait as long.
    retry_interval: "2s",
    data_dir,
    ...(ui ? { ui: true } : {}),
    ...(gossip_key === undefined ? {} : { encrypt: gossip_key }),
    disable_update_check: true,
  };
  return `${JSON.stringify(settings, null, 2)}\n`;
}

/** One configuration file alone: what else lies in /etc/consul.d is not causeway's, and may say otherwise. */
const dropInText = `${marker}
[Unit]
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/consul agent -config-file=${configPath}
Restart=always
RestartSec=2
`;

function missingFiles({ config, dropIn, unit }: State, wanted: Params): Step[] {
  const causes = unit.active === "active" ? [daemonReload, restart("consul")] : [daemonReload];
  const text = configText(wanted);
  const content = wanted.gossip_key === undefined ? text : new Secret(text);
  return [
    ...(config.content === text && config.mode === "640"
      ? []
      : [step.file({ was: config, content, mode: "640", owner: "root:consul", causes })]),
    ...(dropIn.content === dropInText ? [] : [step.file({ was: dropIn, content: dropInText, causes })]),
  ];
}

/** Not awaited: a server alone waits for its peers, a client for a server. */
function start(unit: UnitState): Step {
  const was = `${unit.enabled}, ${unit.active}`;
  return step.unit({ name: "consul.service", enabled: true, active: true, was, noBlock: true });
}

/** Made by itself so that the undo takes it away, also where the package was there before. */
function dataFolder({ data_dir }: Params): Step {
  return step.run({
    what: `folder ${data_dir}`,
    to: "of user consul, mode 700",
    do: sh`install -d -o consul -g consul -m 700 ${data_dir}`,
    done: sh`[ -d ${data_dir} ]`,
    undo: sh`rm -rf ${data_dir}`,
    touches: [`file:${data_dir}`],
  });
}

function refuseStrays({ strays }: State): void {
  if (strays.length === 0) return;
  throw new CausewayError("host", "a consul runs here that no unit started", {
    found: strays.join("\n"),
    expected: "no consul, or the one of consul.service: one started by hand is gone after a reboot",
    advice: `end it first: ${strays.map((line) => `kill ${line.split(" ")[0]}`).join("; ")}`,
  });
}

function refuseForeign({ unit, dropIn }: State): void {
  if (unit.active !== "active" || dropIn.content.startsWith(marker)) return;
  throw new CausewayError("host", "a consul of somebody else's runs here", {
    found: `consul.service is active, without ${dropInPath}`,
    expected: "no consul, or one that causeway configured",
    advice: "systemctl disable --now consul, if nobody needs it",
  });
}

/** What a consul with data takes no notice of, or takes for another cluster. */
function refuseReconfiguration({ config, hasData }: State, wanted: Params): void {
  if (!hasData || config.kind === "absent") return;
  const before = JSON.parse(config.content || "{}") as {
    encrypt?: string;
    retry_join?: string[];
    server?: boolean;
  };
  const servers = [...(before.retry_join ?? [])].sort().join(", ");
  const expected = [...wanted.servers].sort().join(", ");
  if (wanted.server && before.server === true && servers !== expected)
    throw new CausewayError("host", "the servers of this consul cluster changed", {
      found: servers,
      expected,
      advice:
        "servers join and leave a running cluster one by one (consul join, consul leave); to begin anew without its data: run rollback, then this playbook",
    });
  if (before.encrypt !== wanted.gossip_key)
    throw new CausewayError("host", "the gossip key changed, and a consul with data keeps its old one", {
      found: "another key in its configuration",
      expected: "the key that its keyring has",
      advice: "consul keyring -install, -use and -remove change it; or run rollback, then this playbook",
    });
}

function refuseWithoutIptables({ present }: Rules): void {
  if (present) return;
  throw new CausewayError("host", "iptables is not installed on this host", {
    advice: "install it (Debian: apt-get install iptables): consul's ports would be open to anybody",
  });
}
