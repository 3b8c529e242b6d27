import type { Kind } from "../kind.ts";
import { packages } from "./package.ts";

const steps = { packages };

export const packageKind: Kind<typeof steps> = {
  name: "package",
  shell: ["package/package.sh"],
  steps,
  tidies: true,
  brings: true,
  judges: true,
  timeoutMs: 600_000,
};
