import type { Kind } from "../kind.ts";
import { noRule, rule } from "./rule.ts";

const steps = { rule, noRule };

export const ruleKind: Kind<typeof steps> = {
  name: "rule",
  shell: ["rule/rule.sh"],
  steps,
  cuts: true,
  tidies: true,
};
