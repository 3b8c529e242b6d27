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
    clients: Type.Array(Ipv4(), { description: "the addresses that may reach ports 2379 and 2380" }),
    data_dir: AbsolutePath({
      default: "/var/lib/etcd/causeway",
      description:
        "where the member keeps its data; not the package's own folder, which overrides a configuration",
    }),
    comment: Type.String({
      default: "causeway:etcd",
      pattern: "^[\\w:.-]+$",
      description: "who owns the rules; iptables-save shows it",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** What a distribution calls things: Debian's package is split in two, Red Hat's is one. */
const places = {
  apt: { packages: ["etcd-server", "etcd-client"], config: "/etc/default/etcd" },
  rpm: { packages: ["etcd"], config: "/etc/etcd/etcd.conf" },
};
const dropInPath = "/etc/systemd/system/etcd.service.d/causeway.conf";
const marker = "# Written by causeway (etcd-install).";

interface State {
  family: keyof typeof places;
  packages: ReadonlyMap<string, string>;
  config: FileState;
  dropIn: FileState;
  unit: UnitState;
  /** Whether the data folder holds a member already. */
  hasData: boolean;
  /** The cluster as the running member sees it, or what it said instead. */
  running: { members: readonly string[]; healthy: boolean; said: string };
  rules: Rules;
  kept: Kept;
}

/**
 * One member of an etcd cluster, out of the distribution's package. The start of a service by its package is prevented:
 * the data that it would make overrides every later configuration. The member list is the proof, not "active".
 */
export const etcdInstall = defineTask({
  name: "etcd-install",
  summary: "A member of an etcd cluster, open to the inventory's hosts only",
  params,
  key: () => "etcd",
  settles: "40s",
  read: async (host, { data_dir }): Promise<State> => {
    const [tools, packages, debian, redhat, dropIn, unit, data, list, rules, kept] = await Promise.all([
      host.read(sh`command -v apt-get || command -v dnf || command -v yum`, { looksAt: [] }),
      host.packages([...places.apt.packages, ...places.rpm.packages]),
      host.file(places.apt.config),
      host.file(places.rpm.config),
      host.file(dropInPath),
      host.unit("etcd.service"),
      host.read(sh`[ -d ${`${data_dir}/member`} ]`, { looksAt: ["unit:etcd.service"] }),
      host.read(memberList, { looksAt: ["package", "unit:etcd.service", "rule"] }),
      host.rules(),
      host.kept(),
    ]);
    const family = /apt-get/.test(tools.stdout) ? "apt" : "rpm";
    return {
      family,
      packages,
      config: family === "apt" ? debian : redhat,
      dropIn,
      unit,
      hasData: data.code === 0,
      running: {
        members: membersOf(list.stdout),
        healthy: list.code === 0,
        said: list.stderr.trim().split("\n").at(-1) ?? "",
      },
      rules,
      kept,
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutIptables(state.rules);
    const { rules, kept } = state;
    const ports = { tcp: [2379, 2380], from: wanted.clients, comment: wanted.comment };
    const doors = missingPorts(rules, kept, ports).map((rule) => step.rule(rule));
    const { packages } = places[state.family];
    if (!packages.every((name) => state.packages.has(name)) && !state.unit.present)
      return [
        step.packages({ names: packages }),
        ...doors,
        later("etcd is configured and started once its package is there"),
      ];
    if (isForeign(state)) {
      refuseOtherCluster(state, wanted);
      return doors;
    }
    refuseChangedMembers(state, wanted);
    const files = missingFiles(state, wanted);
    const { unit, running } = state;
    if (unit.active !== "active" && unit.active !== "activating")
      return [...doors, ...files, ...(state.hasData ? [] : [dataFolder(wanted)]), start(unit, wanted)];
    if (unit.enabled !== "enabled") return [...doors, ...files, start(unit, wanted)];
    if (files.length > 0) return [...doors, ...files];
    const proof = running.healthy ? [] : [later(`etcd has no quorum yet: ${running.said || unit.active}`)];
    if (running.healthy) refuseOtherCluster(state, wanted);
    return [...doors, ...proof];
  },
});

/** The members, then a linearizable read, which only a quorum answers. */
const memberList = sh`command -v etcdctl >/dev/null || { echo 'etcdctl is not installed' >&2; exit 1; }
export ETCDCTL_API=3
etcdctl --endpoints http://127.0.0.1:2379 --command-timeout 3s member list && etcdctl --endpoints http://127.0.0.1:2379 --command-timeout 3s endpoint health >/dev/null`;

/** `8e9e05c52164694d, started, docker-200, http://10.0.0.200:2380, http://10.0.0.200:2379` → `docker-200=http://…:2380`. */
function membersOf(list: string): string[] {
  return list
    .split("\n")
    .map((line) => line.split(", "))
    .filter((words) => words.length >= 4)
    .map(([, , name, peer]) => `${name}=${peer}`)
    .sort();
}

function membersWanted({ members }: Params): string[] {
  return members.map(({ name, address }) => `${name}=http://${address}:2380`).sort();
}

function configText(wanted: Params): string {
  const own = wanted.members.find((member) => member.name === wanted.name)?.address;
  const settings = {
    ETCD_NAME: wanted.name,
    ETCD_DATA_DIR: wanted.data_dir,
    ETCD_LISTEN_CLIENT_URLS: `http://${own}:2379,http://127.0.0.1:2379`,
    ETCD_ADVERTISE_CLIENT_URLS: `http://${own}:2379`,
    ETCD_LISTEN_PEER_URLS: `http://${own}:2380`,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://${own}:2380`,
    ETCD_INITIAL_CLUSTER: membersWanted(wanted).join(","),
    ETCD_INITIAL_CLUSTER_TOKEN: "causeway",
    ETCD_INITIAL_CLUSTER_STATE: "new",
    // flannel up to 0.17 speaks this API; etcd 3.4 and 3.5 have it switched off by default.
    ETCD_ENABLE_V2: "true",
  };
  return `${marker}\n${Object.entries(settings)
    .map(([key, value]) => `${key}="${value}"\n`)
    .join("")}`;
}

/** The package's unit gives up when the address is not there yet at boot. */
const dropInText = `${marker}
[Unit]
After=network-online.target
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=2
`;

function missingFiles({ config, dropIn, unit }: State, wanted: Params): Step[] {
  const causes = unit.active === "active" ? [daemonReload, restart("etcd")] : [daemonReload];
  return [
    ...(config.content === configText(wanted)
      ? []
      : [step.file({ was: config, content: configText(wanted), mode: "644", causes })]),
    ...(dropIn.content === dropInText ? [] : [step.file({ was: dropIn, content: dropInText, causes })]),
  ];
}

function start(unit: UnitState, { members }: Params): Step {
  const was = `${unit.enabled}, ${unit.active}`;
  // A member alone waits for its peers: only when all are started is there a quorum.
  return step.unit({ name: "etcd.service", enabled: true, active: true, was, noBlock: members.length > 1 });
}

/** Made by itself so that the undo takes it away, also where the package was there before. */
function dataFolder({ data_dir }: Params): Step {
  return step.run({
    what: `folder ${data_dir}`,
    to: "of user etcd, mode 700",
    do: sh`install -d -o etcd -g etcd -m 700 ${data_dir}`,
    done: sh`[ -d ${data_dir} ]`,
    undo: sh`rm -rf ${data_dir}`,
    touches: [`file:${data_dir}`],
  });
}

/** An etcd that runs, and that causeway did not configure. */
function isForeign({ unit, config }: State): boolean {
  return unit.active === "active" && !config.content.startsWith(marker);
}

function refuseOtherCluster({ running, config }: State, wanted: Params): void {
  const expected = membersWanted(wanted);
  if (running.members.join(",") === expected.join(",")) return;
  throw new CausewayError("host", "the etcd that runs here is another cluster", {
    found: running.members.join(", ") || running.said,
    expected: expected.join(", "),
    command: "ETCDCTL_API=3 etcdctl member list",
    advice: `give the group etcd exactly these members, or stop that etcd and move ${config.path} and its data away`,
  });
}

function refuseChangedMembers({ config, hasData }: State, wanted: Params): void {
  const before = /^ETCD_INITIAL_CLUSTER="(.*)"$/m.exec(config.content)?.[1];
  if (!hasData || before === undefined || !config.content.startsWith(marker)) return;
  const expected = membersWanted(wanted).join(",");
  if (before === expected) return;
  throw new CausewayError("host", "the members of this etcd cluster changed", {
    found: before,
    expected,
    advice:
      "members are added and removed one by one in the running cluster (etcdctl member add, member remove); to begin anew without its data: run rollback, then this playbook",
  });
}

function refuseWithoutIptables({ present }: Rules): void {
  if (present) return;
  throw new CausewayError("host", "iptables is not installed on this host", {
    advice: "install it (Debian: apt-get install iptables): etcd's ports would be open to anybody",
  });
}
