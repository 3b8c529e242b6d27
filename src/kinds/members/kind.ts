import type { Kind } from "../kind.ts";
import { leaveNetwork, returnToNetwork } from "./members.ts";

const steps = { leaveNetwork, returnToNetwork };

export const membersKind: Kind<typeof steps> = {
  name: "members",
  shell: ["members/members.sh"],
  steps,
  judges: true,
};
