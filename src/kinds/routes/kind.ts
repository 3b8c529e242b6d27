import type { Kind } from "../kind.ts";
import { routes } from "./routes.ts";

const steps = { routes };

export const routesKind: Kind<typeof steps> = {
  name: "routes",
  shell: ["routes/routes.sh"],
  steps,
  cuts: true,
  tidies: true,
  judges: true,
};
