import { CausewayError } from "../errors.ts";
import type { TaskInstance } from "../task/define.ts";
import { type Consequence, consequenceWords, type Step } from "../task/step.ts";
import { type Change, endedUnits, owedChange, stepChange } from "./containers.ts";
import type { HostRun } from "./host-run.ts";
import { inOrder, isConverged } from "./plan.ts";

/** Whether no earlier task of this check does the very same: then it will have been done. */
function isNew(host: HostRun, does: string): boolean {
  const isKnown = host.foreseen.has(does);
  host.foreseen.add(does);
  return !isKnown;
}

const stepDoes = ({ resource, perform }: Step) => `${resource.join(" ")} ${perform.text}`;

/** Shows the plan of one play on one host: the very steps that would be performed. */
export async function checkPlay(
  host: HostRun,
  play: { title: string },
  tasks: readonly TaskInstance[],
): Promise<void> {
  const consequences = new Map<string, { consequence: Consequence; why: string[] }>();
  const because = (consequence: Consequence, why: string) => {
    const words = consequenceWords(consequence);
    const known = consequences.get(words) ?? { consequence, why: [] };
    known.why.push(why);
    consequences.set(words, known);
  };
  const changes: Change[] = [];
  for (const instance of tasks) {
    const about = {
      type: "task",
      host: host.name,
      play: play.title,
      task: instance.task,
      key: instance.key,
    } as const;
    const plan = await host.plan(instance).catch((error: unknown) => {
      if (!host.takesOver || !(error instanceof CausewayError)) throw error;
      return error;
    });
    if (plan instanceof CausewayError) {
      host.recap.changed += 1;
      const reason = `${host.takesOver} is undone first; as it is now: ${plan.message}`;
      host.say({ ...about, state: "planned", steps: [], later: reason });
      continue;
    }
    const steps = plan.steps.filter((step) => isNew(host, stepDoes(step)));
    const owed = plan.owed.filter((one) => isNew(host, `${consequenceWords(one.consequence)} ${one.why}`));
    const isReady = isConverged({ ...plan, steps, owed });
    host.recap[isReady ? "ok" : "changed"] += 1;
    host.recap.steps += steps.length + plan.fetches.length;
    changes.push(...steps.map(stepChange));
    for (const step of steps) for (const cause of step.causes) because(cause, step.what);
    for (const { consequence, why } of owed) because(consequence, why);
    for (const consequence of plan.coming) because(consequence, plan.later ?? "");
    if (isReady) host.say({ ...about, state: "ok" });
    else
      host.say({
        ...about,
        state: "planned",
        steps: [...steps, ...plan.fetches],
        ...(plan.later === undefined ? {} : { later: plan.later }),
      });
  }
  const due = inOrder([...consequences.values()].map((c) => c.consequence));
  const ordered = due.map(consequenceWords);
  for (const what of ordered) {
    if (what.startsWith("restart")) host.recap.restarts += 1;
    host.say({
      type: "consequence",
      host: host.name,
      what,
      why: consequences.get(what)?.why ?? [],
      state: "planned",
    });
  }
  host.tellAtRisk(endedUnits([...changes, ...due.map((one) => owedChange(one, ""))]));
}
