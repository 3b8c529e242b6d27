import type { Kind } from "../kind.ts";
import { container } from "./container.ts";

const steps = { dockerContainer: container };

export const containerKind: Kind<typeof steps> = {
  name: "container",
  shell: ["container/container.sh"],
  steps,
  cuts: true,
  timeoutMs: 600_000,
};
