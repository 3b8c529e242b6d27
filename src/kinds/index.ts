import { chainKind } from "./chain/kind.ts";
import { containerKind } from "./container/kind.ts";
import { fileKind } from "./file/kind.ts";
import type { AnyKind } from "./kind.ts";
import { linkKind } from "./link/kind.ts";
import { membersKind } from "./members/kind.ts";
import { networkKind } from "./network/kind.ts";
import { packageKind } from "./package/kind.ts";
import { routeKind } from "./route/kind.ts";
import { routesKind } from "./routes/kind.ts";
import { ruleKind } from "./rule/kind.ts";
import { runKind } from "./run/kind.ts";
import { swarmKind } from "./swarm/kind.ts";
import { sysctlKind } from "./sysctl/kind.ts";
import { unitKind } from "./unit/kind.ts";
import { userKind } from "./user/kind.ts";

/** The kinds of step, each in the folder of its name. A new one is its folder, and its line here. */
const all = [
  chainKind,
  containerKind,
  fileKind,
  linkKind,
  membersKind,
  networkKind,
  packageKind,
  routeKind,
  routesKind,
  ruleKind,
  runKind,
  swarmKind,
  sysctlKind,
  unitKind,
  userKind,
] as const;

export const kinds: readonly AnyKind[] = all;

type Together<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** The steps of all kinds, as tasks call them: `step.file({ … })`. */
export const step = Object.assign({}, ...all.map((kind) => kind.steps)) as Together<
  (typeof all)[number]["steps"]
>;

/** What there is to know of the kind of a resource; nothing of one that this causeway does not know. */
export function kindOf(resource: string): AnyKind | undefined {
  return kinds.find(({ name }) => resource.startsWith(`${name} `));
}
