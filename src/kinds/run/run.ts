import type { Resource } from "../../host/resources.ts";
import { rawScript, type Script } from "../../host/sh.ts";
import type { Consequence, Step } from "../../task/step.ts";

interface RunCommon {
  what: string;
  from?: string | null;
  to: string | null;
  do: Script;
  touches?: readonly Resource[];
  causes?: readonly Consequence[];
  timeoutMs?: number;
  undoneIdle?: true;
}

/** The open kind has to say how it is taken back and how to see that it is done, or why it cannot be. */
export type RunStep = RunCommon & ({ undo: Script; done: Script } | { irreversible: string });

/** Whatever no other kind covers. */
export function run(step: RunStep): Step {
  const reversible = "undo" in step;
  const built: Step = {
    kind: "run",
    what: step.what,
    from: step.from ?? null,
    to: step.to,
    resource: reversible ? ["run", step.done.text, step.undo.text] : ["run", "false", ":"],
    // A secret of the undo, too, lies in the journal: it makes the entry a secret one.
    perform: rawScript(step.do.text, [
      ...step.do.secrets,
      ...(reversible ? [...step.done.secrets, ...step.undo.secrets] : []),
    ]),
    touches: step.touches ?? ["*"],
    causes: step.causes ?? [],
  };
  if (!reversible) built.irreversible = step.irreversible;
  if (step.undoneIdle) built.undoneIdle = true;
  if (step.timeoutMs !== undefined) built.timeoutMs = step.timeoutMs;
  return built;
}
