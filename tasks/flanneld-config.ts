import {
  canonicalRule,
  daemonReload,
  defineTask,
  isKept,
  keptRule,
  later,
  owed,
  type PlanItem,
  type RuleStep,
  refuseUnitOfOthers,
  restart,
  rulesIn,
  runningContainers,
  type Step,
  sh,
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
  refuseInterruption,
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
    refuseKeysOfDaemon(state);
    refuseFlag(state);
    refuseUnitOfOthers(state.docker, paths.dropIn);
    refuseUnitOfOthers(state.flanneld, paths.unit, /^(ExecStart|EnvironmentFile)=|^Environment=.*FLANNEL/);
    const program = programOf(state, wanted);
    refusePair(program.version, state.store);
    const lease = leaseOf(state.files.lease);
    const joined = state.files.dropIn.content === dropInText(state);
    const docker0 = state.addresses.find((a) => a.dev === "docker0")?.cidr;
    const stale = lease && staleness(lease, state, wanted);
    if (!joined || stale || docker0 !== lease?.subnet) refuseInterruption(state, wanted);
    const steps = [
      ...program.missing,
      ...missingFiles(state, wanted, program.path),
      ...leftovers(state, wanted, lease),
      ...forwarding(state, wanted),
    ];
    // Docker is restarted with flanneld.
    if (steps.some(restartsIt)) refuseInterruption(state, wanted);
    if (program.missing.some((item) => "later" in item)) return program.missing;
    const { flanneld } = state;
    if (flanneld.enabled !== "enabled" || !["active", "activating"].includes(flanneld.active))
      return [
        ...steps,
        ...(hasTraces(state) ? [] : [traces(wanted)]),
        start(flanneld),
        later("no lease yet"),
      ];
    if (flanneld.active !== "active" || !lease)
      return [...steps, later(`no lease yet: flanneld says “${state.said}”`)];
    if (stale) return [...steps, owed(restart("flanneld"), `${stale}${interrupted(state)}`)];
    if (!joined) return [...steps, ...earlierAddress(docker0, lease), join(state)];
    const reload = state.docker.needsReload
      ? [owed(daemonReload, "docker.service changed on disk since systemd loaded it")]
      : [];
    if (docker0 === lease.subnet && state.docker.active === "active") return [...steps, ...reload];
    return [...steps, ...reload, owed(restart("docker"), dockerWords(state, docker0, lease))];
  },
});

function restartsIt(item: PlanItem): boolean {
  return "causes" in item && item.causes.some((cause) => cause.do === "restart");
}

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
function forwarding({ rules, kept, forwarding: now }: State, { network, comment }: Params): Step[] {
  const chain = rules.policies.has("filter DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
  const rule: RuleStep = {
    table: "filter",
    chain,
    spec: `-s ${network} -d ${network} -j ACCEPT`,
    comment,
    place: "first",
  };
  const inChain = rulesIn(rules, "filter", chain);
  const whole = canonicalRule(rule.spec.replace(" -j", ` -m comment --comment ${comment} -j`));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === whole);
  const decider = inChain.findIndex((r) => /-j (DROP|REJECT|RETURN)/.test(r.spec));
  const inPlace = at >= 0 && (decider < 0 || at < decider) && isKept(kept, keptRule(rule));
  return [
    ...(now === "1" ? [] : [step.sysctl({ key: "net.ipv4.ip_forward", value: 1, was: now ?? null })]),
    ...(inPlace ? [] : [step.rule(rule)]),
  ];
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

/**
 * Only there for its undo: a Docker without a --bip takes its last one out of its own store, whatever docker0 has (seen on
 * 20.10), so that it has to be started once with the address of before.
 */
function earlierAddress(docker0: string | undefined, { subnet }: Lease): Step[] {
  if (docker0 === undefined || docker0 === subnet) return [];
  return [
    step.run({
      what: "address of docker0",
      from: docker0,
      to: `${subnet}, with the restart`,
      do: sh`:`,
      done: sh`! ip -o -4 addr show dev docker0 | grep -qF ${` ${docker0} `}`,
      undo: sh`! grep -qs '"bip"' ${paths.daemon} || exit 0
systemctl daemon-reload
start=$(systemctl show -p ExecStart docker.service | sed -n 's/.*argv\[\]=\(.*\) ; ignore_errors.*/\1/p')
[ -n "$start" ] || exit 0
drop=/run/systemd/system/docker.service.d
mkdir -p $drop && printf '[Service]\nExecStart=\nExecStart=%s --bip=%s\n' "$start" ${docker0} >$drop/zzz-causeway-once.conf || exit 1
# Docker starts after flanneld, and one that finds no etcd would keep it waiting for ever; it is stopped next.
[ "$(systemctl is-active flanneld.service)" != activating ] || systemctl stop flanneld.service
systemctl daemon-reload; systemctl reset-failed docker.service; systemctl restart docker.service; code=$?
rm -f $drop/zzz-causeway-once.conf; rmdir $drop 2>/dev/null; systemctl daemon-reload; exit $code`,
      touches: ["link"],
    }),
  ];
}

function join(state: State): Step {
  const write = step.file({
    was: state.files.dropIn,
    content: dropInText(state),
    causes: [daemonReload, restart("docker")],
  });
  return { ...write, to: `${write.to}${interrupted(state)}` };
}

/** The containers that a restart of Docker disconnects, where that is allowed. */
function interrupted({ daemon }: State): string {
  const hit = runningContainers(daemon, "bridge");
  return hit.length > 0 ? `; interrupts ${hit.join(", ")}` : "";
}
