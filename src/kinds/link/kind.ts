import type { Kind } from "../kind.ts";
import { link, noLink } from "./link.ts";

const steps = { link, noLink };

export const linkKind: Kind<typeof steps> = {
  name: "link",
  shell: ["link/link.sh"],
  steps,
  cuts: true,
  tidies: true,
  judges: true,
};
