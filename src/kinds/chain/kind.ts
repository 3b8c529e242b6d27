import type { Kind } from "../kind.ts";
import { chain } from "./chain.ts";

const steps = { chain };

export const chainKind: Kind<typeof steps> = {
  name: "chain",
  shell: ["chain/chain.sh"],
  steps,
  cuts: true,
  tidies: true,
};
