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
  type Script,
  type Static,
  type Step,
  sh,
  step,
  Type,
  type UnitState,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({ description: "this member's name; it is one of the members" }),
    members: Type.Array(
      Type.Object({ name: Type.String(), address: Ipv4() }, { additionalProperties: false }),
      { minItems: 1, description: "every member of the cluster, by name and address" },
    ),
    leaving: Type.Optional(
      Type.Array(Type.Object({ name: Type.String(), address: Ipv4() }, { additionalProperties: false }), {
        description: "members that leave the cluster; each is taken out of it, if the others are a quorum",
      }),
    ),
    clients: Type.Array(Ipv4(), { description: "the addresses that may reach ports 2379 and 2380" }),
    archive: Type.Optional(
      ArchiveSource({
        description:
          "the archive that contains etcd and etcdctl; without it, the installed etcd is used, or else the distribution's package",
      }),
    ),
    data_dir: AbsolutePath({
      default: "/var/lib/etcd/causeway",
      description:
        "the member's data folder; not the package's own, because data in it overrides the configuration",
    }),
    comment: Type.String({
      default: "causeway:etcd",
      pattern: "^[\\w:.-]+$",
      description: "the owner of the rules: a comment that iptables-save shows",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** What a distribution calls things: Debian's package is split in two, Red Hat's is one. */
const places = {
  apt: { packages: { etcd: "etcd-server", etcdctl: "etcd-client" }, config: "/etc/default/etcd" },
  rpm: { packages: { etcd: "etcd", etcdctl: "etcd" }, config: "/etc/etcd/etcd.conf" },
};
const unitPath = "/etc/systemd/system/etcd.service";
const dropInPath = `${unitPath}.d/causeway.conf`;
const marker = "# Written by causeway (etcd-install).";

interface State {
  family: keyof typeof places;
  /** Where the programs are found; empty for one that is not. */
  tools: { etcd: string; etcdctl: string };
  /** What came out of the archive, if there is to be one. */
  programs: Programs | undefined;
  hasUser: boolean;
  config: FileState;
  /** The unit in the administrator's folder, which goes before a package's. */
  unitFile: FileState;
  dropIn: FileState;
  unit: UnitState;
  /** Whether the data folder holds a member already. */
  hasData: boolean;
  /** The cluster as the running member sees it, or what it said instead. */
  running: { members: readonly string[]; healthy: boolean; said: string };
  /** The addresses of other members, and of this one where a member leaves, that answer what only a quorum answers. */
  answering: readonly string[];
  /** What this member's key holds: it was written once, and is read by every run. */
  key: string;
  firewall: Firewall;
  /** Who listens on etcd's ports although etcd.service does not run. */
  listeners: readonly string[];
}

/**
 * One member of an etcd cluster: out of the distribution's package, out of an archive, or the etcd that is there. The start
 * of a service by its package is prevented: the data that it would make overrides every later configuration. The member
 * list and a key that is written and read are the proof, not "active".
 */
export const etcdInstall = defineTask({
  name: "etcd-install",
  summary: "A member of an etcd cluster, open to the inventory's hosts only",
  params,
  key: () => "etcd",
  settles: "40s",
  read: async (host, { name, archive, data_dir, members, leaving = [] }): Promise<State> => {
    const looksAt = [
      "package",
      "unit:etcd.service",
      "file:/usr/local/bin/etcd",
      "file:/usr/local/bin/etcdctl",
    ];
    const asked = members
      .filter((member) => member.name !== name || leaving.length > 0)
      .map(({ address }) => address);
    const [
      family,
      tools,
      programs,
      user,
      debian,
      redhat,
      unitFile,
      dropIn,
      unit,
      data,
      list,
      answers,
      key,
      firewall,
    ] = await Promise.all([
      host.read(sh`command -v apt-get || command -v dnf || command -v yum`, { looksAt: [] }),
      host.read(sh`command -v etcd || echo; command -v etcdctl || echo`, { looksAt }),
      archive && readPrograms(host, "etcd", ["etcd", "etcdctl"]),
      host.read(sh`getent passwd etcd`, { looksAt: ["package", "user"] }),
      host.file(places.apt.config),
      host.file(places.rpm.config),
      host.file(unitPath),
      host.file(dropInPath),
      host.unit("etcd.service"),
      host.read(sh`[ -d ${`${data_dir}/member`} ]`, { looksAt: ["unit:etcd.service"] }),
      host.read(memberList, { looksAt: [...looksAt, "rule", "shared:etcd"] }),
      asked.length > 0
        ? host.read(healthOf(asked), { looksAt: [...looksAt, "rule", "shared:etcd"] })
        : { stdout: "" },
      host.read(sh`${etcdctl} get --print-value-only ${keyOf(name)}`, {
        looksAt: [...looksAt, "shared:etcd"],
      }),
      readFirewall(host),
    ]);
    const listeners = ["inactive", "failed"].includes(unit.active)
      ? await readListeners(host, [2379, 2380])
      : [];
    const [etcd = "", ctl = ""] = tools.stdout.split("\n");
    const isApt = /apt-get/.test(family.stdout);
    return {
      family: isApt ? "apt" : "rpm",
      tools: { etcd, etcdctl: ctl },
      programs,
      hasUser: user.code === 0,
      config: isApt ? debian : redhat,
      unitFile,
      dropIn,
      unit,
      hasData: data.code === 0,
      running: {
        members: membersOf(list.stdout),
        healthy: list.code === 0,
        said: list.stderr.trim().split("\n").at(-1) ?? "",
      },
      answering: asked.filter((address) => answers.stdout.includes(`//${address}:2379 is healthy`)),
      key: key.stdout.trim(),
      firewall,
      listeners,
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutIptables(state.firewall);
    const { unit, running } = state;
    const ports = { tcp: [2379, 2380], from: wanted.clients, comment: wanted.comment };
    const portRules = missingPortRules(state.firewall, ports);
    if (isForeign(state)) {
      refuseOtherCluster(state, wanted);
      return portRules;
    }
    refuseTakenPorts(state);
    refuseChangedMembers(state, wanted);
    const waits = `etcd has no quorum yet: ${running.said || unit.active}`;
    if (wanted.leaving && unit.active === "active" && !running.healthy) return [later(waits)];
    refuseLostQuorum(state, wanted);
    refuseForeignUnit(state, wanted);
    // Its settings are variables: flags of somebody's own command line would overrule them.
    refuseUnitOfOthers(unit, unitPath, /^(ExecStart|EnvironmentFile)=|^Environment=.*(ETCD_|DAEMON_ARGS)/);
    const packages = missingPackages(state, wanted);
    if (packages.length > 0)
      return [
        // The script of Red Hat's package would make one, too, which its removal leaves behind.
        ...(state.family === "rpm" ? missingUser(state) : []),
        step.packages({ names: packages }),
        ...portRules,
        later("etcd is configured and started once its package is installed"),
      ];
    // The archive first: a wrong one is found out before anything is changed.
    const steps = [
      ...outOfArchive(state, wanted),
      ...portRules,
      ...missingFiles(state, wanted),
      ...takenOut(state, wanted),
    ];
    if (steps.some(({ causes }) => causes.some((cause) => cause.do === "restart")))
      refuseLosingQuorum(state, wanted);
    if (unit.enabled !== "enabled" || !["active", "activating"].includes(unit.active))
      return [
        ...steps,
        ...(state.hasData ? [] : [step.folder({ path: wanted.data_dir, owner: "etcd" })]),
        start(unit, wanted),
        later("etcd is verified by its members and a key once it runs"),
      ];
    if (steps.length > 0) return steps;
    if (!running.healthy) return [later(waits)];
    refuseOtherCluster(state, wanted);
    return state.key === keyValue ? [] : [writtenAndRead(state, wanted)];
  },
});

const etcdctl = sh`ETCDCTL_API=3 etcdctl --endpoints http://127.0.0.1:2379 --command-timeout 3s`;

/** The members, then a linearizable read, which only a quorum answers. */
const memberList = sh`command -v etcdctl >/dev/null || { echo 'etcdctl is not installed' >&2; exit 1; }
${etcdctl} member list && ${etcdctl} endpoint health >/dev/null`;

/** The endpoints are asked together; one that does not answer prints no such line. */
function healthOf(addresses: readonly string[]): Script {
  const endpoints = addresses.map((address) => `http://${address}:2379`).join(",");
  return sh`command -v etcdctl >/dev/null && ETCDCTL_API=3 etcdctl --endpoints ${endpoints} --command-timeout 3s endpoint health 2>&1`;
}

const keyValue = "written and read by causeway";

function keyOf(name: string): string {
  return `/causeway/etcd-install/${name}`;
}

/** A cluster that lists its members may still take no writes: its disk is full, or its quota used up. */
function writtenAndRead({ key }: State, { name }: Params): Step {
  const read = sh`[ "$(${etcdctl} get --print-value-only ${keyOf(name)})" = ${keyValue} ]`;
  return step.run({
    what: `etcd key ${keyOf(name)}`,
    from: key || null,
    to: keyValue,
    do: sh`${etcdctl} put ${keyOf(name)} ${keyValue} && ${read}`,
    done: read,
    // Without a quorum the data with the key is being removed as well.
    undo: sh`${etcdctl} del ${keyOf(name)}; true`,
    touches: ["shared:etcd"],
  });
}

/** `8e9e05c52164694d, started, docker-200, http://10.0.0.200:2380, http://10.0.0.200:2379` → `docker-200=http://…:2380`. */
function membersOf(list: string): string[] {
  return list
    .split("\n")
    .map((line) => line.split(", "))
    .filter((words) => words.length >= 4)
    .map(([, , name, peer]) => `${name}=${peer}`)
    .sort();
}

type Member = Params["members"][number];

const peerUrl = ({ name, address }: Member) => `${name}=http://${address}:2380`;

function membersWanted({ members }: Params): string[] {
  return members.map(peerUrl).sort();
}

/** Those that leave, and that the cluster still counts. */
function stillIn({ running }: State, { leaving = [] }: Params): Member[] {
  return leaving.filter((member) => running.members.includes(peerUrl(member)));
}

/** Every member that stays asks for it, and the first one does it. Nothing brings one back: it comes back with a run. */
function takenOut(state: State, wanted: Params): Step[] {
  return stillIn(state, wanted).map(({ name }) => {
    const id = sh`list=$(${etcdctl} member list) && printf '%s\n' "$list" | sed -n ${`s/^\\([^,]*\\), [^,]*, ${name}, .*/\\1/p`}`;
    const done = sh`id=$(${id}) && [ -z "$id" ]`;
    return step.run({
      what: `etcd member ${name}`,
      from: "a member",
      to: null,
      do: sh`id=$(${id}) && { [ -z "$id" ] || ${etcdctl} member remove "$id" || { ${done}; }; }`,
      done,
      undo: sh`true`,
      touches: ["shared:etcd"],
    });
  });
}

function configText(state: State, wanted: Params): string {
  const own = wanted.members.find((member) => member.name === wanted.name)?.address;
  const settings = {
    ETCD_NAME: wanted.name,
    ETCD_DATA_DIR: wanted.data_dir,
    ETCD_LISTEN_CLIENT_URLS: `http://${own}:2379,http://127.0.0.1:2379`,
    ETCD_ADVERTISE_CLIENT_URLS: `http://${own}:2379`,
    ETCD_LISTEN_PEER_URLS: `http://${own}:2380`,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://${own}:2380`,
    ETCD_INITIAL_CLUSTER: inStandingOrder(membersWanted(wanted), initialMembers(state)).join(","),
    ETCD_INITIAL_CLUSTER_TOKEN: "causeway",
    ETCD_INITIAL_CLUSTER_STATE: "new",
    // flannel up to 0.17 speaks this API; etcd 3.4 and 3.5 have it switched off by default.
    ETCD_ENABLE_V2: "true",
  };
  return `${marker}\n${Object.entries(settings)
    .map(([key, value]) => `${key}="${value}"\n`)
    .join("")}`;
}

/** The members in the configuration that is there. */
function initialMembers({ config }: State): string[] | undefined {
  return /^ETCD_INITIAL_CLUSTER="(.*)"$/m.exec(config.content)?.[1]?.split(",");
}

/** Added to a unit that is there: a package's gives up when the address is not there yet at boot. */
function dropInText({ config }: State): string {
  return `${marker}
[Unit]
After=network-online.target
StartLimitIntervalSec=0

[Service]
User=etcd
EnvironmentFile=${config.path}
Restart=always
RestartSec=2
`;
}

/** Where no package brings one. */
function unitText({ config, tools }: State, { archive }: Params): string {
  return `${marker}
[Unit]
Description=etcd, a store that a cluster agrees on
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
User=etcd
EnvironmentFile=${config.path}
ExecStart=${archive ? "/usr/local/bin/etcd" : tools.etcd}
Restart=always
RestartSec=2
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`;
}

/** Which packages bring what is not found; none where an archive does. */
function missingPackages({ family, tools }: State, { archive }: Params): string[] {
  if (archive) return [];
  const { packages } = places[family];
  return [
    ...new Set((["etcd", "etcdctl"] as const).flatMap((tool) => (tools[tool] ? [] : [packages[tool]]))),
  ];
}

function outOfArchive({ programs, unit }: State, { archive }: Params): Step[] {
  if (!archive || !programs) return [];
  return missingPrograms(programs, archive, unit.active === "active" ? [restart("etcd")] : []);
}

function missingFiles(state: State, wanted: Params): Step[] {
  const { config, unitFile, dropIn, unit } = state;
  const causes = unit.active === "active" ? [daemonReload, restart("etcd")] : [daemonReload];
  const file = (was: FileState, content: string, because: Step["causes"] = causes) =>
    was.content === content ? [] : [step.file({ was, content, mode: "644", causes: because })];
  const text = configText(state, wanted);
  // A member with data looks at the first members no more.
  const rest = (content: string) => content.replace(/^ETCD_INITIAL_CLUSTER=.*$/m, "");
  const idle = state.hasData && rest(text) === rest(config.content);
  const ownUnit = wanted.archive !== undefined || !unit.present || unitFile.content.startsWith(marker);
  return [
    ...missingUser(state),
    ...file(config, text, idle ? [] : causes),
    ...(ownUnit ? file(unitFile, unitText(state, wanted)) : file(dropIn, dropInText(state))),
  ];
}

function missingUser({ hasUser }: State): Step[] {
  return hasUser ? [] : [step.systemUser({ name: "etcd", home: "/var/lib/etcd" })];
}

function start(unit: UnitState, { members }: Params): Step {
  const was = unit.present ? `${unit.enabled}, ${unit.active}` : "not there";
  // A member alone waits for its peers: only when all are started is there a quorum.
  return step.unit({ name: "etcd.service", enabled: true, active: true, was, noBlock: members.length > 1 });
}

/** An etcd that runs, and that causeway did not configure. */
function isForeign({ unit, config }: State): boolean {
  return unit.active === "active" && !config.content.startsWith(marker);
}

/** An etcd that a container, k3s or kubeadm has started, or whatever else: ours could not start beside it. */
function refuseTakenPorts({ listeners }: State): void {
  if (listeners.length === 0) return;
  throw new CausewayError("host", "another program listens on etcd's ports", {
    found: listeners.join("\n"),
    expected:
      "nothing on 2379 and 2380, or an etcd.service that runs with exactly the members of this inventory",
    command: "ss -ltnp 'sport = :2379 or sport = :2380'",
    advice: "keep the store on other hosts (the group etcd), or stop that program, if nobody needs it",
  });
}

function refuseOtherCluster({ running, config }: State, wanted: Params): void {
  const expected = membersWanted(wanted);
  if (running.members.join(",") === expected.join(",")) return;
  throw new CausewayError("host", "the etcd on this host belongs to another cluster", {
    found: running.members.join(", ") || running.said,
    expected: expected.join(", "),
    command: "ETCDCTL_API=3 etcdctl member list",
    restsOn: ["unit:etcd.service"],
    advice: `give the group etcd exactly these members, or stop that etcd and move ${config.path} and its data away`,
  });
}

function refuseChangedMembers(state: State, wanted: Params): void {
  const { config, hasData } = state;
  const known = initialMembers(state);
  if (!hasData || known === undefined || !config.content.startsWith(marker)) return;
  const left = (wanted.leaving ?? []).map(peerUrl);
  const before = known
    .filter((member) => !left.includes(member))
    .sort()
    .join(",");
  const expected = membersWanted(wanted).join(",");
  if (before === expected) return;
  throw new CausewayError("host", "the members of this etcd cluster changed", {
    found: before,
    restsOn: ["unit:etcd.service"],
    expected,
    advice: `${ownCommand("remove PLAYBOOK HOST")} takes a member out of the running cluster; none is added to it (by hand: etcdctl member add); to start again without its data: ${ownCommand("rollback")}, then this playbook`,
  });
}

/** The members that stay have to be most of those that there are now, or they could not even agree on who leaves. */
function refuseLostQuorum(state: State, wanted: Params): void {
  const leaving = stillIn(state, wanted).map(({ name }) => name);
  const all = state.running.members.length;
  if (leaving.length === 0 || state.answering.length * 2 > all) return;
  const staying = wanted.members.map(({ name, address }) =>
    state.answering.includes(address) ? name : `${name} (no answer)`,
  );
  throw new CausewayError("host", `without ${leaving.join(", ")} etcd would have no quorum`, {
    found: `${all} members, of which would stay: ${staying.join(", ")}`,
    expected: `at least ${Math.floor(all / 2) + 1} of these ${all} members that stay and answer`,
    command: "ETCDCTL_API=3 etcdctl member list",
    advice: `start the members that are down; take out fewer hosts at a time; or, to give this etcd up: ${ownCommand("reset")} on all hosts, then the playbook on those that stay`,
  });
}

/** Where there is a quorum, and one more member that stops for its restart would end it. */
function refuseLosingQuorum({ running, answering }: State, { name, members }: Params): void {
  const most = Math.floor(members.length / 2) + 1;
  const others = members.filter((member) => member.name !== name);
  const away = others.filter(({ address }) => !answering.includes(address));
  if (members.length < 3 || !running.healthy || others.length - away.length >= most) return;
  throw new CausewayError("host", "restarting this member of etcd would end the quorum of its cluster", {
    found: `not well: ${away.map((member) => `${member.name} (${member.address})`).join(", ")}`,
    expected: `${most} of the other members well`,
    command: `ETCDCTL_API=3 etcdctl --endpoints ${away.map(({ address }) => `http://${address}:2379`).join(",")} endpoint health`,
    advice: "bring them back (systemctl start etcd on these hosts), then run the same command again",
  });
}

function refuseForeignUnit({ unitFile }: State, { archive }: Params): void {
  if (!archive || unitFile.kind === "absent" || unitFile.content.startsWith(marker)) return;
  throw new CausewayError(
    "host",
    "causeway did not write the etcd.service of this host, and an archive needs its own",
    {
      found: `${unitPath}: ${/^ExecStart=.*$/m.exec(unitFile.content)?.[0] ?? `${unitFile.size} bytes`}`,
      expected: "no such file, or etcd without an archive: then the existing unit is used",
      advice: `give no archive, or remove the unit: systemctl disable etcd; rm ${unitPath}`,
    },
  );
}

function refuseWithoutIptables({ rules: { present } }: Firewall): void {
  if (present) return;
  throw new CausewayError("host", "iptables is not installed on this host", {
    advice: "install it (Debian: apt-get install iptables): etcd's ports would be open to anyone",
  });
}
