import type { Kind } from "../kind.ts";
import { sysctl } from "./sysctl.ts";

const steps = { sysctl };

export const sysctlKind: Kind<typeof steps> = {
  name: "sysctl",
  shell: ["sysctl/sysctl.sh"],
  steps,
  cuts: true,
  tidies: true,
  judges: true,
  compares: true,
};
