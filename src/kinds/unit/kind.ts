import type { Kind } from "../kind.ts";
import { unit } from "./unit.ts";

const steps = { unit };

export const unitKind: Kind<typeof steps> = {
  name: "unit",
  shell: ["unit/unit.sh"],
  steps,
  cuts: true,
  collapses: true,
  judges: true,
};
