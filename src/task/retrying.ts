import { CausewayError } from "../errors.ts";
import { milliseconds, type TaskInstance } from "./define.ts";

export interface Retries {
  /** How often it is tried again after it failed for the first time. */
  times: number;
  /** How long before each of them: `5s` unless given. */
  pause?: string;
}

/**
 * The same task, for what may fail by chance, such as a download: where it fails on a host, that host goes through the play
 * once more, and whatever is in place by then takes no step. What only takes its time needs no retry but `settles`.
 */
export function retrying(task: TaskInstance, { times, pause = "5s" }: Retries): TaskInstance {
  if (!Number.isInteger(times) || times < 1)
    throw new CausewayError("playbook", `the task ${task.task} ${task.key} cannot be tried again so often`, {
      found: `times: ${times}`,
      expected: "a whole number, at least 1",
    });
  return { ...task, retries: { times, pauseMs: milliseconds(pause) } };
}
