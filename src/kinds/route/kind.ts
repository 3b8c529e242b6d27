import type { Kind } from "../kind.ts";
import { noRoute, route } from "./route.ts";

const steps = { route, noRoute };

export const routeKind: Kind<typeof steps> = {
  name: "route",
  shell: ["route/route.sh"],
  steps,
  cuts: true,
  tidies: true,
};
