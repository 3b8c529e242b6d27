/** The one door: playbooks and tasks import from here, and from nowhere else in src/. */

export { type Static, Type } from "typebox";
export type { Archive } from "./archives/archive.ts";
export { directRoutingKey } from "./docker-rules/direct-routing.ts";
export {
  chainForContainers,
  type DockerRules,
  lostDockerRules,
  readDockerRules,
} from "./docker-rules/docker-rules.ts";
export {
  docker0Address,
  docker0Address6,
  docker0Of,
  dockerStarts,
  refuseLiveRestore,
} from "./docker0/docker0.ts";
export { CausewayError, type ErrorDetail, type GivenValue } from "./errors.ts";
export { gatewayBridge } from "./gateway-bridge/gateway-bridge.ts";
export { isKept, type Kept, type KeptPart, type Reader } from "./host/reader.ts";
export type { Companion } from "./host/session.ts";
export { rawScript, type Script, Secret, sh } from "./host/sh.ts";
export {
  type DockerNetwork,
  type DockerState,
  type NetworkMember,
  versionParts,
} from "./host/tools/docker.ts";
export type { DockerInfo } from "./host/tools/docker-info.ts";
export type { FileState } from "./host/tools/file.ts";
export { type Address, type Link, parseRoutes, type Route } from "./host/tools/ip.ts";
export {
  type Counter,
  canonicalRule,
  countersMoved,
  type OtherIptables,
  parseCounters,
  type Rule,
  type Rules,
  rulesIn,
  tableOf,
} from "./host/tools/iptables.ts";
export { runnerLine } from "./host/tools/runner.ts";
export type { SerfState } from "./host/tools/serf.ts";
export type { SysctlLine } from "./host/tools/sysctl.ts";
export type { UnitState } from "./host/tools/systemd.ts";
export { missingChain } from "./kinds/chain/chain.ts";
export { readJson, withKeys } from "./kinds/file/json.ts";
export { type LocalFile, localFile } from "./kinds/file/pushed-file.ts";
export { step } from "./kinds/index.ts";
export { leftFile, lostAddresses, memberWords } from "./kinds/members/members.ts";
export { keptRoute, routeProtocol } from "./kinds/route/route.ts";
export { formerWays, keptRule, type RuleStep, ruleWords } from "./kinds/rule/rule.ts";
export { missingSysctl, readSysctl, type SysctlState } from "./kinds/sysctl/sysctl.ts";
export {
  aggregate,
  contains,
  formatAddress,
  formatNetwork,
  lastAddress,
  networkOf,
  overlaps,
  parseAddress,
  parseInterface,
  subnetOf,
} from "./net/ipv4.ts";
export {
  contains6,
  type Family,
  familyOf,
  formatAddress6,
  formatNetwork6,
  lastAddress6,
  meet,
  networkOf6,
  parseAddress6,
} from "./net/ipv6.ts";
export { type Packet, readFrame } from "./net/packet.ts";
export { type Frame, readPcap, writePcap } from "./net/pcap.ts";
export { refuseClosedForward, refuseOtherIptables } from "./other-iptables/other-iptables.ts";
export { ownCommand } from "./own-command.ts";
export { readListeners } from "./peer-ports/listeners.ts";
export { type Firewall, missingPortRules, type PeerPorts, readFirewall } from "./peer-ports/peer-ports.ts";
export {
  type Content,
  missingPlacedFile,
  type PlacedFile,
  type PlacedFileState,
  placedFileParams,
  readPlacedFile,
} from "./placed-file/placed-file.ts";
export {
  defineFact,
  definePlaybook,
  type KnownHost,
  type Remark,
  type Standing,
  type Topology,
} from "./playbook/define.ts";
export type { Fleet, HostView } from "./playbook/fleet.ts";
export { given, givenAddress, together } from "./playbook/given.ts";
export { hostFacts, type KernelFacts, type OsFacts } from "./playbook/host-facts.ts";
export { missingPrograms, type Programs, readPrograms } from "./programs/programs.ts";
export {
  AbsolutePath,
  AnyCidr,
  AnyIp,
  ArchiveSource,
  Cidr,
  Cidr6,
  DownloadUrl,
  FetchedBy,
  InterfaceCidr,
  Ipv4,
  Ipv6,
  LocalPath,
  SecretValue,
  Sha256,
  ShellScript,
  secret,
} from "./schema/types.ts";
export { defineTask, type Former, type TaskInstance, type TaskOptions } from "./task/define.ts";
export { localOutput } from "./task/local-output.ts";
export type { Matrix, MatrixCell } from "./task/matrix.ts";
export { defineProbe, type ProbeHost, type ProbeRun } from "./task/probe.ts";
export { inStandingOrder } from "./task/standing-order.ts";
export {
  daemonReload,
  fetched,
  isLater,
  later,
  owed,
  type PlanItem,
  reload,
  restart,
  type Step,
} from "./task/step.ts";
export type { Gap, Watched, WatchedPair, Watcher, WatchRun } from "./task/watched.ts";
export { refuseMasked, refuseUnitOfOthers } from "./units/units.ts";
