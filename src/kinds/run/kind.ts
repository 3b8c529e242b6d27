import type { Kind } from "../kind.ts";
import { folder } from "./folder.ts";
import { run } from "./run.ts";
import { systemUser } from "./system-user.ts";

const steps = { run, systemUser, folder };

export const runKind: Kind<typeof steps> = {
  name: "run",
  shell: ["run/run.sh"],
  steps,
  cuts: true,
  judges: true,
};
