import { CausewayError } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import type { TaskInstance } from "./define.ts";
import { isFetched, isLater, isStep, type PlanItem, type Step } from "./step.ts";

const hidden = "hidden, as noLog says";

/** The task with everything hidden that it finds, plans or says; what it does is the same. */
export function withoutLog(task: TaskInstance): TaskInstance {
  return {
    ...task,
    look: (host) => task.look(quiet(host)).catch(silenced),
    plan: (host) => task.plan(quiet(host)).then((items) => items.map(hiddenItem), silenced),
  };
}

function hiddenItem(item: PlanItem): PlanItem {
  if (isStep(item)) return hiddenStep(item);
  if (isFetched(item)) return { ...item, from: item.from === null ? null : hidden, to: hidden };
  return isLater(item) ? { ...item, later: hidden } : { ...item, why: hidden };
}

/** What is changed is named, and nothing of how it was or will be. */
function hiddenStep({ diff: _, ...step }: Step): Step {
  const { text, secrets } = step.perform;
  return {
    ...step,
    from: step.from === null ? null : hidden,
    to: step.to === null ? null : hidden,
    perform: { text, secrets: [...secrets, text] },
    noLog: true,
  };
}

/** A reader whose commands are masked as a whole where `-v` shows them. */
function quiet(host: Reader): Reader {
  return new Proxy(host, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "read") return value.bind(target);
      const read: Reader["read"] = ({ text, secrets }, options) =>
        target.read({ text, secrets: [...secrets, text] }, options);
      return read;
    },
  });
}

function silenced(error: unknown): never {
  if (!(error instanceof CausewayError)) throw error;
  const { at, host, task, expected, advice, restsOn } = error.detail;
  throw new CausewayError(error.code, error.message, {
    ...(at ? { at } : {}),
    ...(host ? { host } : {}),
    ...(task ? { task } : {}),
    found: hidden,
    ...(expected ? { expected } : {}),
    ...(advice ? { advice } : {}),
    ...(restsOn ? { restsOn } : {}),
  });
}
