import {
  AbsolutePath,
  ArchiveSource,
  CausewayError,
  daemonReload,
  defineTask,
  type FileState,
  type Firewall,
  Ipv4,
  inStandingOrder,
  later,
  missingPortRules,
  missingPrograms,
  ownCommand,
  type PlanItem,
  type Programs,
  readFirewall,
  readListeners,
  readPrograms,
  refuseUnitOfOthers,
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
    address: Ipv4({ description: "the address that it binds to and that its peers connect to" }),
    server: Type.Boolean({
      description: "whether it is a server, which keeps the store; a client forwards requests to the servers",
    }),
    servers: Type.Array(Ipv4(), { minItems: 1, description: "the addresses of all servers" }),
    leaving: Type.Optional(
      Type.Array(Type.Object({ name: Type.String(), address: Ipv4() }, { additionalProperties: false }), {
        description:
          "agents that leave the cluster; each is taken out of it, if the servers that stay are a quorum",
      }),
    ),
    clients: Type.Array(Ipv4(), { description: "the addresses that may reach ports 8300 and 8301" }),
    gossip_key: Type.Optional(
      secret(
        Type.String({
          pattern: "^[A-Za-z0-9+/]{43}=$|^[A-Za-z0-9+/]{22}==$",
          description: "encrypts the traffic between the agents; from `consul keygen`; a secret",
        }),
      ),
    ),
    ui: Type.Boolean({
      default: false,
      description: "whether it serves consul's web interface, on loopback",
    }),
    archive: Type.Optional(
      ArchiveSource({
        description:
          "the archive that contains consul; without it, the installed consul is used, or else the distribution's package",
      }),
    ),
    data_dir: AbsolutePath({
      default: "/var/lib/consul/causeway",
      description: "where the agent keeps its data",
    }),
    comment: Type.String({
      default: "causeway:consul",
      pattern: "^[\\w:.-]+$",
      description: "the owner of the rules: a comment that iptables-save shows",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

const configPath = "/etc/consul.d/causeway.json";
const unitPath = "/etc/systemd/system/consul.service";
const dropInPath = `${unitPath}.d/causeway.conf`;
const marker = "# Written by causeway (consul-agent).";

interface State {
  /** Where consul is found; empty when it is not. */
  program: string;
  /** What came out of the archive, if there is to be one. */
  programs: Programs | undefined;
  hasUser: boolean;
  config: FileState;
  /** The unit in the administrator's folder, which goes before a package's. */
  unitFile: FileState;
  dropIn: FileState;
  unit: UnitState;
  hasData: boolean;
  /** The process ids of a consul that no unit of that name started. */
  unmanaged: readonly string[];
  /** Whether the servers have a leader, and what was said instead. */
  leader: { there: boolean; said: string };
  /** The servers that the cluster counts, by their addresses, and where one leaves it, all members with their state. */
  peers: readonly string[];
  listed: ReadonlyMap<string, string>;
  /** The addresses of the members that are alive. */
  alive: readonly string[];
  firewall: Firewall;
  /** Who listens on consul's ports although consul.service does not run. */
  listeners: readonly string[];
}

/**
 * One consul agent, server or client, answering on loopback only: out of the distribution's package, out of an archive, or
 * the consul that is there. A leader and the list of members are the proof, not "active".
 */
export const consulAgent = defineTask({
  name: "consul-agent",
  summary: "A consul agent, open to the inventory's hosts only",
  params,
  key: () => "consul",
  settles: "60s",
  read: async (host, { archive, data_dir, leaving = [] }): Promise<State> => {
    const looksAt = ["package", "unit:consul.service", "shared:consul", "file:/usr/local/bin/consul"];
    const [
      program,
      programs,
      user,
      config,
      unitFile,
      dropIn,
      unit,
      data,
      unmanaged,
      leader,
      members,
      all,
      firewall,
    ] = await Promise.all([
      host.read(sh`command -v consul`, { looksAt: ["package", "file:/usr/local/bin/consul"] }),
      archive && readPrograms(host, "consul", ["consul"]),
      host.read(sh`getent passwd consul`, { looksAt: ["package", "user"] }),
      host.file(configPath),
      host.file(unitPath),
      host.file(dropInPath),
      host.unit("consul.service"),
      host.read(sh`[ -d ${data_dir} ]`, { looksAt: ["unit:consul.service", `file:${data_dir}`] }),
      host.read(strayProcesses, { looksAt: ["unit:consul.service"] }),
      host.read(sh`timeout 5 consul operator raft list-peers`, { looksAt }),
      host.read(sh`timeout 5 consul members -status=alive`, { looksAt }),
      host.read(leaving.length > 0 ? sh`timeout 5 consul members` : sh`:`, { looksAt }),
      readFirewall(host),
    ]);
    const listeners = ["inactive", "failed"].includes(unit.active)
      ? await readListeners(host, [8300, 8301, 8500])
      : [];
    return {
      listeners,
      program: program.stdout.trim(),
      programs,
      hasUser: user.code === 0,
      config,
      unitFile,
      dropIn,
      unit,
      hasData: data.code === 0,
      unmanaged: unmanaged.stdout.split("\n").filter(Boolean),
      leader: {
        there: leader.code === 0 && /\bleader\b/.test(leader.stdout),
        said: leader.stderr.trim().split("\n").at(-1) ?? "",
      },
      peers: [...leader.stdout.matchAll(/ ([\d.]+):8300 /g)].map(([, address = ""]) => address),
      listed: statesOf(all.stdout),
      alive: addressesOf(members.stdout),
      firewall,
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutIptables(state.firewall);
    refuseUnmanaged(state);
    refuseForeign(state);
    refuseTakenPorts(state);
    refuseUnitOfOthers(state.unit, hasOwnUnit(state, wanted) ? unitPath : dropInPath);
    const ports = { tcp: [8300, 8301], udp: [8301], from: wanted.clients, comment: wanted.comment };
    const portRules = missingPortRules(state.firewall, ports);
    if (!wanted.archive && state.program === "")
      return [
        step.packages({ names: ["consul"] }),
        ...portRules,
        later("consul is configured and started once its package is installed"),
      ];
    refuseForeignUnit(state, wanted);
    refuseReconfiguration(state, wanted);
    const waits = `consul has no leader yet: ${state.leader.said || state.unit.active}`;
    if (wanted.leaving && state.unit.active === "active" && !state.leader.there) return [later(waits)];
    refuseLostQuorum(state, wanted);
    // The archive first: a wrong one is found out before anything is changed.
    const missing = [
      ...outOfArchive(state, wanted),
      ...portRules,
      ...missingFiles(state, wanted),
      ...takenOut(state, wanted),
    ];
    if (missing.some(({ causes }) => causes.some((cause) => cause.do === "restart")))
      refuseLosingQuorum(state, wanted);
    const { unit, hasData } = state;
    if (unit.enabled !== "enabled" || !["active", "activating"].includes(unit.active))
      return [
        ...missing,
        ...(hasData ? [] : [step.folder({ path: wanted.data_dir, owner: "consul" })]),
        start(unit),
        later("consul has no leader yet"),
      ];
    if (missing.length > 0) return missing;
    if (!state.leader.there) return [later(waits)];
    const away = [wanted.address, ...wanted.servers].filter((address) => !state.alive.includes(address));
    return away.length > 0 ? [later(`not alive among consul's members: ${away.join(", ")}`)] : [];
  },
});

/**
 * consul agents whose control group is not that of consul.service: started by hand, with nohup. One in a network of its own, as in
 * most containers, is in nobody's way. Their gossip key does not leave the host.
 */
export const strayProcesses = sh`for dir in /proc/[0-9]*; do
  [ "$(cat "$dir/comm" 2>/dev/null)" = consul ] || continue
  [ "$dir/ns/net" -ef /proc/self/ns/net ] || continue
  tr '\0' ' ' <"$dir/cmdline" | grep -q ' agent ' || continue
  grep -q '/consul\.service$' "$dir/cgroup" || echo "\${dir#/proc/} $(tr '\0\n' '\n ' <"$dir/cmdline" | sed '/^--*encrypt$/{ n; s/.*/…/; }; s/^\(--*encrypt=\).*/\1…/' | tr '\n' ' ')"
done`;

/** `docker-200  10.0.0.200:8301  alive  server  …` → `10.0.0.200`. */
function addressesOf(table: string): string[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[1]?.replace(/:\d+$/, "") ?? []);
}

/** The same table: each member's address and its state, such as `alive`, `failed` or `left`. */
function statesOf(table: string): ReadonlyMap<string, string> {
  const rows = table.split("\n").slice(1);
  return new Map(
    rows.flatMap((line): [string, string][] => {
      const [, address, status] = line.split(/\s+/);
      return address && status ? [[address.replace(/:\d+$/, ""), status]] : [];
    }),
  );
}

/** Those that leave, and that the cluster still counts: a client that ends says so, a server never does. */
function stillIn({ peers, listed }: State, { leaving = [] }: Params): { name: string; address: string }[] {
  return leaving.filter(
    ({ address }) => peers.includes(address) || (listed.get(address) ?? "left") !== "left",
  );
}

/** Nothing brings one back: it comes back with a run. */
function takenOut(state: State, wanted: Params): Step[] {
  return stillIn(state, wanted).map(({ name, address }) => {
    const done = sh`list=$(timeout 5 consul members) && ! printf '%s\n' "$list" | grep -qE ${`^${name.replaceAll(".", "\\.")} +[^ ]+ +(alive|leaving|failed) `} &&
peers=$(timeout 5 consul operator raft list-peers) && ! printf '%s\n' "$peers" | grep -qF ${` ${address}:8300 `}`;
    return step.run({
      what: `consul member ${name}`,
      from: state.listed.get(address) ?? "a server",
      to: null,
      do: sh`timeout 10 consul force-leave ${name}
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do if { ${done}; }; then exit 0; fi; sleep 2; done
printf '%s\n' "$list" "$peers" >&2; exit 1`,
      done,
      undo: sh`true`,
      touches: ["shared:consul"],
      timeoutMs: 90_000,
    });
  });
}

function configText({ config }: State, wanted: Params): string {
  const { name, address, server, servers, data_dir, gossip_key, ui } = wanted;
  const settings = {
    node_name: name,
    server,
    ...(server ? { bootstrap_expect: servers.length } : {}),
    // Several private addresses make consul exit unless it is told which.
    bind_addr: address,
    client_addr: "127.0.0.1",
    retry_join: inStandingOrder(servers, settingsIn(config).retry_join),
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
function commandOf({ program }: State, { archive }: Params): string {
  return `${archive ? "/usr/local/bin/consul" : program} agent -config-file=${configPath}`;
}

/** Added to an existing unit, of a package or made by somebody else. */
function dropInText(state: State, wanted: Params): string {
  return `${marker}
[Unit]
StartLimitIntervalSec=0

[Service]
User=consul
ExecStart=
ExecStart=${commandOf(state, wanted)}
Restart=always
RestartSec=2
`;
}

/** Where no package brings one. */
function unitText(state: State, wanted: Params): string {
  return `${marker}
[Unit]
Description=consul agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
User=consul
ExecStart=${commandOf(state, wanted)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`;
}

function outOfArchive({ programs, unit }: State, { archive }: Params): Step[] {
  if (!archive || !programs) return [];
  return missingPrograms(programs, archive, unit.active === "active" ? [restart("consul")] : []);
}

function missingFiles(state: State, wanted: Params): Step[] {
  const { config, unitFile, dropIn, unit } = state;
  const causes = unit.active === "active" ? [daemonReload, restart("consul")] : [daemonReload];
  const text = configText(state, wanted);
  // A consul with data asks its own list of members, and not for the servers that it was begun with.
  const idle = state.hasData && withoutServers(text) === withoutServers(config.content);
  const content = wanted.gossip_key === undefined ? text : new Secret(text);
  const [was, service] = hasOwnUnit(state, wanted)
    ? [unitFile, unitText(state, wanted)]
    : [dropIn, dropInText(state, wanted)];
  return [
    ...(state.hasUser ? [] : [step.systemUser({ name: "consul", home: "/var/lib/consul" })]),
    ...(config.content === text && config.mode === "640"
      ? []
      : [step.file({ was: config, content, mode: "640", owner: "root:consul", causes: idle ? [] : causes })]),
    ...(was.content === service ? [] : [step.file({ was, content: service, mode: "644", causes })]),
  ];
}

function withoutServers(content: string): string {
  const {
    retry_join: _,
    bootstrap_expect: __,
    ...rest
  } = settingsIn({ content } as FileState) as Settings & {
    bootstrap_expect?: number;
  };
  return JSON.stringify(rest);
}

/** Where no package brings a unit, or not the one that an archive needs. */
function hasOwnUnit({ unit, unitFile }: State, { archive }: Params): boolean {
  return archive !== undefined || !unit.present || unitFile.content.startsWith(marker);
}

/** Not awaited: a server alone waits for its peers, a client for a server. */
function start(unit: UnitState): Step {
  const was = unit.present ? `${unit.enabled}, ${unit.active}` : "not there";
  return step.unit({ name: "consul.service", enabled: true, active: true, was, noBlock: true });
}

function refuseUnmanaged({ unmanaged }: State): void {
  if (unmanaged.length === 0) return;
  throw new CausewayError("host", "a consul runs on this host that no unit started", {
    found: unmanaged.join("\n"),
    expected: "no consul, or the one of consul.service: one started by hand will be gone after a reboot",
    advice: `stop it first: ${unmanaged.map((line) => `kill ${line.split(" ")[0]}`).join("; ")}`,
  });
}

/** A consul that a container has started, or whatever else: ours could not start beside it. */
function refuseTakenPorts({ listeners }: State): void {
  if (listeners.length === 0) return;
  throw new CausewayError("host", "another program listens on consul's ports", {
    found: listeners.join("\n"),
    expected: "nothing on 8300, 8301 and 8500",
    command: "ss -ltnp 'sport = :8300 or sport = :8301 or sport = :8500'",
    advice: "stop that program, if nobody needs it, or keep the networks in etcd: -e overlay_store=etcd",
  });
}

function refuseForeign({ unit, unitFile, dropIn }: State): void {
  const ours = [unitFile, dropIn].some(({ content }) => content.startsWith(marker));
  if (unit.active !== "active" || ours) return;
  throw new CausewayError("host", "a consul that causeway did not configure runs on this host", {
    found: `consul.service is active, from ${unit.fragmentPath}, without ${dropInPath}`,
    expected: "no consul, or one that causeway configured",
    advice: "systemctl disable --now consul, if nobody needs it",
  });
}

function refuseForeignUnit({ unitFile }: State, { archive }: Params): void {
  if (!archive || unitFile.kind === "absent" || unitFile.content.startsWith(marker)) return;
  throw new CausewayError(
    "host",
    "causeway did not write the consul.service of this host, and an archive needs its own",
    {
      found: `${unitPath}: ${/^ExecStart=.*$/m.exec(unitFile.content)?.[0] ?? `${unitFile.size} bytes`}`,
      expected: "no such file, or consul without an archive: then the existing unit is used",
      advice: `give no archive, or remove the unit: systemctl disable consul; rm ${unitPath}`,
    },
  );
}

interface Settings {
  encrypt?: string;
  retry_join?: string[];
  server?: boolean;
}

/** One that cannot be parsed counts as empty, and is written again. */
function settingsIn({ content }: FileState): Settings {
  try {
    return JSON.parse(content || "{}") as Settings;
  } catch {
    return {};
  }
}

/** What a consul with data takes no notice of, or takes for another cluster. */
function refuseReconfiguration({ config, hasData }: State, wanted: Params): void {
  if (!hasData || config.kind === "absent") return;
  const before = settingsIn(config);
  const left = (wanted.leaving ?? []).map(({ address }) => address);
  const servers = [...(before.retry_join ?? [])]
    .filter((address) => !left.includes(address))
    .sort()
    .join(", ");
  const expected = [...wanted.servers].sort().join(", ");
  // One that was a server and is to be none leaves its cluster behind; one that is to be the first begins another.
  const keeps = wanted.server || before.server === true;
  if (keeps && before.retry_join !== undefined && servers !== expected)
    throw new CausewayError("host", "the servers of this consul cluster changed", {
      found: servers,
      expected,
      advice: `${ownCommand("remove PLAYBOOK HOST")} takes a server out of the running cluster; none is added to it (by hand: consul join); to start again without its data: ${ownCommand("rollback")}, then this playbook`,
    });
  if (before.encrypt !== wanted.gossip_key)
    throw new CausewayError("host", "the gossip key changed, but a consul with data keeps its old key", {
      found: "a different key in its configuration",
      expected: "the key in its keyring",
      advice: `consul keyring -install, -use and -remove change it; or ${ownCommand("rollback")}, then this playbook`,
    });
}

/** The servers that stay have to be most of those that there are now, or they could not even agree on who leaves. */
function refuseLostQuorum(state: State, wanted: Params): void {
  const { peers, alive } = state;
  const leaving = stillIn(state, wanted).filter(({ address }) => peers.includes(address));
  const staying = wanted.servers.filter((address) => peers.includes(address) && alive.includes(address));
  if (leaving.length === 0 || staying.length * 2 > peers.length) return;
  const names = leaving.map(({ name }) => name).join(", ");
  throw new CausewayError("host", `without ${names} consul would have no quorum`, {
    found: `${peers.length} servers, of which would stay and are alive: ${staying.join(", ") || "none"}`,
    expected: `at least ${Math.floor(peers.length / 2) + 1} of these ${peers.length} servers that stay and are alive`,
    command: "consul operator raft list-peers",
    advice: `start the servers that are down; take out fewer hosts at a time; or, to give this consul up: ${ownCommand("reset")} on all hosts, then the playbook on those that stay`,
  });
}

/** Where there is a leader, and one more server that stops for its restart would end the quorum. */
function refuseLosingQuorum({ leader, alive }: State, { server, servers, address }: Params): void {
  const most = Math.floor(servers.length / 2) + 1;
  const others = servers.filter((one) => one !== address);
  const away = others.filter((one) => !alive.includes(one));
  if (!server || servers.length < 3 || !leader.there || others.length - away.length >= most) return;
  throw new CausewayError("host", "restarting this server of consul would end the quorum of its cluster", {
    found: `not alive: ${away.join(", ")}`,
    expected: `${most} of the other servers alive`,
    command: "consul members; consul operator raft list-peers",
    advice: "bring them back (systemctl start consul on these hosts), then run the same command again",
  });
}

function refuseWithoutIptables({ rules: { present } }: Firewall): void {
  if (present) return;
  throw new CausewayError("host", "iptables is not installed on this host", {
    advice: "install it (Debian: apt-get install iptables): consul's ports would be open to anyone",
  });
}
