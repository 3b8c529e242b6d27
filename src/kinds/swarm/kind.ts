import type { Kind } from "../kind.ts";
import { joinSwarm, startSwarm } from "./swarm.ts";

const steps = { startSwarm, joinSwarm };

export const swarmKind: Kind<typeof steps> = {
  name: "swarm",
  shell: ["swarm/swarm.sh"],
  steps,
  cuts: true,
  judges: true,
  timeoutMs: 180_000,
};
