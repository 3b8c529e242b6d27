import type { Step } from "../task/step.ts";

/**
 * What there is to know of a kind of step. One record a folder: beside it lie the constructors of its steps and its shell
 * functions, cw_NAME_token, cw_NAME_save and cw_NAME_restore (src/journal/journal.sh says what they get and give).
 */
export interface Kind<Steps> {
  /** Its name on the host: the first word of its resources. */
  readonly name: string;
  /** The files of its shell functions, from src/kinds. */
  readonly shell: readonly string[];
  /** The constructors of its steps, as tasks call them: `step.file`. */
  readonly steps: Steps;
  /** It has cw_NAME_tidy, which removes what an interrupted step left beside the resource. */
  readonly tidies?: boolean;
  /** What somebody changed since is left as it is, unless it is forced. */
  readonly compares?: boolean;
  /** It notes what the resource is to become before it becomes it: a state that is neither that nor the earlier is somebody's. */
  readonly foretells?: boolean;
  /** It brings along more than its token tells: taken back even where the resource is as before. */
  readonly brings?: boolean;
  /** It has cw_NAME_stays, which judges what an undo brought back; the others' tokens have to be what they were. */
  readonly judges?: boolean;
  /**
   * Several changes of one resource that are taken back together go back to the oldest state at once. Without it the
   * resource passes through each of its states, because a change by somebody else may be in between.
   */
  readonly collapses?: boolean;
  /** It may change by which way the host is reached: the host takes it back by itself, unless the run is confirmed. */
  readonly cuts?: boolean;
  /** How long a step of it may take, or its undo, in milliseconds; the session's limit for a command otherwise. */
  readonly timeoutMs?: number;
}

/** Any kind, whatever its steps are. */
export type AnyKind = Kind<Readonly<Record<string, (...given: never[]) => Step>>>;
