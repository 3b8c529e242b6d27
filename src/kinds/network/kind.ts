import type { Kind } from "../kind.ts";
import { dockerNetwork, noDockerNetwork } from "./network.ts";

const steps = { dockerNetwork, noDockerNetwork };

export const networkKind: Kind<typeof steps> = {
  name: "network",
  shell: ["network/network.sh"],
  steps,
  cuts: true,
  brings: true,
};
