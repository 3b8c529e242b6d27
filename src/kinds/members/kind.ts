import type { Kind } from "../kind.ts";
import { leaveNetwork, returnToNetwork } from "./members.ts";

const steps = { leaveNetwork, returnToNetwork };

export const membersKind: Kind<typeof steps> = {
  name: "members",
  shell: ["members/members.sh"],
  steps,
  judges: true,
  // A swarm takes 20 s to say of each container that its old address is not in the new subnet.
  timeoutMs: 600_000,
};
