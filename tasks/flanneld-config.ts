import {
  canonicalRule,
  chainForContainers,
  type DockerRules,
  daemonReload,
  defineTask,
  directRoutingKey,
  docker0Address,
  dockerStarts,
  formerWays,
  isKept,
  isLater,
  keptRule,
  later,
  lostDockerRules,
  missingSysctl,
  owed,
  type PlanItem,
  type RuleStep,
  readJson,
  refuseClosedForward,
  refuseLiveRestore,
  refuseOtherIptables,
  refuseUnitOfOthers,
  restart,
  rulesIn,
  ruleWords,
  type Step,
  step,
  type UnitState,
} from "causeway";
import { refusePair } from "./flanneld-config/etcd-api.ts";
import { dropInText, missingFiles, optionsText } from "./flanneld-config/files.ts";
import { type Lease, leaseDifference, leaseOf } from "./flanneld-config/lease.ts";
import { type Params, params } from "./flanneld-config/params.ts";
import { programOf } from "./flanneld-config/program.ts";
import {
  refuseFlag,
  refuseForeignFlannel,
  refuseKeysOfDaemon,
  refuseWithoutDocker,
} from "./flanneld-config/refusals.ts";
import { paths, readState, type State } from "./flanneld-config/state.ts";
import { leftovers, traces } from "./flanneld-config/traces.ts";

/**
 * flanneld, and Docker behind it: ready only with a lease, Docker's options made from it at that moment, docker0 with the
 * leased address. The backend is read by flanneld at its start only, so that the running lease decides what is owed.
 */
export const flanneldConfig = defineTask({
  name: "flanneld-config",
  summary: "flanneld with a lease, and docker0 in the leased subnet",
  params,
  key: () => "flanneld",
  settles: "30s",
  read: readState,
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutDocker(state);
    refuseForeignFlannel(state);
    refuseKeysOfDaemon(state);
    refuseFlag(state);
    refuseOtherIptables(state.otherRules);
    refuseClosedForward(state.otherRules);
    refuseUnitOfOthers(state.docker, paths.dropIn);
    refuseUnitOfOthers(state.flanneld, paths.unit, /^(ExecStart|EnvironmentFile)=|^Environment=.*FLANNEL/);
    const program = programOf(state, wanted);
    refusePair(program.version, state.store);
    const lease = leaseOf(state.files.lease);
    const joined = state.files.dropIn.content === dropInText(state);
    const docker0 = state.addresses.find((a) => a.dev === "docker0")?.cidr;
    const stale = lease && staleness(lease, state, wanted);
    if (docker0 !== lease?.subnet || (lease && leaseDifference(lease, state, wanted) !== undefined))
      refuseLiveRestore({
        config: state.files.daemon,
        unit: state.docker,
        docker: state.daemon,
        address: docker0,
        wanted: `the address of a lease in ${wanted.network}`,
      });
    const keys = reachable(state);
    const causes =
      joined && !stale && docker0 === lease?.subnet && keys.length === 0 ? [] : [restart("docker")];
    const steps = [
      ...program.missing,
      ...missingFiles(state, wanted, program.path),
      ...leftovers(state, wanted, lease),
      ...forwarding(state, wanted),
    ];
    if (program.missing.some(isLater))
      return program.missing.map((item) => (isLater(item) ? later(item.later, causes) : item));
    const { flanneld } = state;
    if (flanneld.enabled !== "enabled" || !["active", "activating"].includes(flanneld.active))
      return [
        ...steps,
        ...(hasTraces(state) ? [] : [traces(wanted)]),
        start(flanneld),
        later("no lease yet", causes),
      ];
    if (flanneld.active !== "active" || !lease)
      return [...steps, later(`no lease yet: flanneld says “${state.said}”`, causes)];
    if (stale) return [...steps, owed(restart("flanneld"), stale)];
    if (!joined) return [...steps, ...earlierAddress(state, docker0, lease), ...keys, join(state)];
    const reload = state.docker.needsReload
      ? [owed(daemonReload, "docker.service changed on disk since systemd loaded it")]
      : [];
    if (keys.length > 0) return [...steps, ...reload, ...keys];
    if (docker0 === lease.subnet && state.docker.active === "active")
      return [...steps, ...reload, ...lostDockerRules(rulesOfDocker(state))];
    return [...steps, ...reload, owed(restart("docker"), dockerWords(state, docker0, lease))];
  },
});

/** Why the running flanneld has to be restarted: it read another configuration, or Docker's options are not its lease's. */
function staleness(lease: Lease, state: State, wanted: Params): string | undefined {
  const other = leaseDifference(lease, state, wanted);
  if (other !== undefined) return other;
  if (wanted.backend === "vxlan" && !state.links.some((l) => l.name === "flannel.1"))
    return "flannel.1 is gone";
  if (wanted.backend === "udp" && !state.links.some((l) => l.name.startsWith("flannel")))
    return "flannel0 is gone";
  if (state.files.docker.content !== optionsText(lease)) return `${paths.docker} does not match this lease`;
  if (state.replaced) return "the running flanneld is not the one on disk";
  return undefined;
}

function dockerWords({ docker }: State, docker0: string | undefined, { subnet }: Lease): string {
  if (docker0 !== subnet) return `docker0 has ${docker0 ?? "no address"}, the lease is ${subnet}`;
  return `docker.service is ${docker.active}`;
}

/** FORWARD is DROP where dockerd switched forwarding on, and flanneld adds no rule before 0.10, nor with our settings. */
function forwarding(state: State, { network, comment }: Params): Step[] {
  const { rules, kept } = state;
  const way: RuleStep = {
    table: "filter",
    chain: chainForContainers(rulesOfDocker(state)),
    spec: `-s ${network} -d ${network} -j ACCEPT`,
    comment,
    place: "first",
  };
  const inChain = rulesIn(rules, "filter", way.chain);
  const whole = canonicalRule(ruleWords(way.spec, comment));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === whole);
  const decider = inChain.findIndex((r) => /-j (DROP|REJECT|RETURN)/.test(r.spec));
  const inPlace = at >= 0 && (decider < 0 || at < decider) && isKept(kept, keptRule(way));
  return [
    ...missingSysctl(state.forwarding, { key: "net.ipv4.ip_forward", value: 1 }),
    ...(inPlace ? [] : [step.rule(way)]),
    ...formerWays(way, ["DOCKER-USER", "FORWARD"], rules, kept),
  ];
}

function rulesOfDocker({ rules, docker: unit, daemon: docker, files }: State): DockerRules {
  return { rules, unit, docker, config: files.daemon };
}

/** Whether a flanneld has been at work since the boot: then the kernel has its traces already, and they are known. */
function hasTraces({ files, links }: State): boolean {
  return files.lease.kind === "file" || links.some(({ name }) => name === "flannel.1");
}

/** Not awaited: without etcd or its key flanneld asks for ever, and the lease is what the task waits for. */
function start(unit: UnitState): Step {
  const was = unit.present ? `${unit.enabled || "not enabled"}, ${unit.active}` : "not there";
  return step.unit({ name: "flanneld.service", enabled: true, active: true, was, noBlock: true });
}

/** Newer Dockers let packets of other hosts to a container's own address in only where they are told to. */
function reachable(state: State): Step[] {
  const keys = directRoutingKey(rulesOfDocker(state));
  const now = readJson(state.files.daemon);
  if (Object.entries(keys).every(([key, value]) => now[key] === value)) return [];
  return [step.jsonKeys({ was: state.files.daemon, keys, causes: [restart("docker")] })];
}

function earlierAddress({ docker }: State, docker0: string | undefined, { subnet }: Lease): Step[] {
  const starts = dockerStarts(docker, docker0, { to: subnet });
  if (docker0 === subnet || (docker0 === undefined && starts.length > 0)) return starts;
  return [...starts, docker0Address({ from: docker0, to: subnet })];
}

function join(state: State): Step {
  return step.file({
    was: state.files.dropIn,
    content: dropInText(state),
    causes: [daemonReload, restart("docker")],
  });
}
