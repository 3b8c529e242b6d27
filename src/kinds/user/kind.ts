import type { Kind } from "../kind.ts";
import { user } from "./user.ts";

const steps = { user };

export const userKind: Kind<typeof steps> = {
  name: "user",
  shell: ["user/user.sh"],
  steps,
  compares: true,
  collapses: true,
  judges: true,
};
