import { type Static, type TObject, Type } from "typebox";
import { CausewayError, throwAll } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import { validate } from "../schema/schema.ts";
import { answeredFor } from "../thrown.ts";
import { withoutLog } from "./no-log.ts";
import type { PlanItem } from "./step.ts";

/** What an earlier version of a task did under another key, and this one still wants: by that key, or by the kind of step. */
export type Former = { key: string } | { kind: string };

export interface TaskDefinition<P extends TObject, S> {
  /** Kebab-case; the file's name. */
  name: string;
  /** One line for the reference page. */
  summary: string;
  params: P;
  /** What tells two of these tasks on one host apart: a destination, a name; a constant where there can be one only. */
  key: (params: Static<P>) => string;
  /** It counts as planned, too, so that nobody undoes it as what is no longer wanted. */
  formerly?: (params: Static<P>) => readonly Former[];
  /** Looks at the host; cannot change it. Ask for everything at once: what is asked in one tick travels together. */
  read: (host: Reader, params: Static<P>) => Promise<S>;
  /** Pure: the steps that are missing. Nothing missing is an empty list. */
  present: (state: S, params: Static<P>) => readonly PlanItem[];
  /**
   * Whose it is: each host's own (the default), or the fleet's, such as a key in a store that all hosts see. What is the
   * fleet's may be done by another host at each run, and is no longer planned only when no host plans it.
   */
  scope?: Scope;
  /** How long it may take until its effect shows, `30s`; it is read again with back-off until then. */
  settles?: string | ((params: Static<P>) => string);
  /** It looks at what runs: restarts and reloads that tasks before it made necessary are done first, and not at the end of the play. */
  afterRestarts?: true;
}

export type Scope = "host" | "fleet";

/** What any task takes beside its parameters. */
export interface TaskOptions {
  /** By which `--tags` and `--skip-tags` choose it, beside those of its play. */
  tags?: readonly string[];
  /** Nothing that it finds, plans or says is shown: words, diffs, JSON and the journal have `hidden` instead. */
  noLog?: boolean;
  /**
   * For what may fail by chance, such as a download: where it fails on a host, that host goes through the play once more, and
   * whatever is in place by then takes no step. What only takes its time needs no retry but `settles`.
   */
  retries?: Retries;
}

export interface Retries {
  /** How often it is tried again after it failed for the first time. */
  times: number;
  /** How long before each of them, `500ms` or `1m`; `5s` unless given. */
  pause?: string;
}

const taskOptions = Type.Object(
  {
    tags: Type.Optional(Type.Array(Type.String())),
    noLog: Type.Optional(Type.Boolean()),
    retries: Type.Optional(
      Type.Object(
        {
          times: Type.Integer({ minimum: 1 }),
          pause: Type.Optional(Type.String({ pattern: "^\\d+(\\.\\d+)?(ms|s|m)$" })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

/** A task with its parameters, ready to be read and planned. */
export interface TaskInstance {
  readonly task: string;
  readonly key: string;
  readonly scope: Scope;
  readonly formerly: readonly Former[];
  readonly settlesMs: number;
  /** Restarts that are due are done before it. */
  readonly afterRestarts?: boolean;
  /** Its own, without those of its play. */
  readonly tags?: readonly string[];
  readonly noLog?: boolean;
  readonly retries?: Retries;
  /** Its play does it also on a host on which another task failed. */
  readonly always?: boolean;
  /** Reads the host, so that what a plan will ask for is known by then. */
  look(host: Reader): Promise<unknown>;
  /** Reads the host and gives the pure plan of what was read. */
  plan(host: Reader): Promise<readonly PlanItem[]>;
}

/** A task module: parameters in, a task out. Wrong parameters are an error where the playbook composes it. */
export interface Task<P extends TObject, S> {
  (params: Static<P>, options?: TaskOptions): TaskInstance;
  readonly definition: TaskDefinition<P, S>;
}

/** Defines a task: one read, one pure function. */
export function defineTask<P extends TObject, S>(definition: TaskDefinition<P, S>): Task<P, S> {
  const { settles = "0s" } = definition;
  const build = (params: Static<P>, options: TaskOptions = {}): TaskInstance => {
    const subject = `of ${definition.name}`;
    throwAll([
      ...validate(definition.params, params, { code: "playbook", subject: `parameters ${subject}` }),
      ...validate(taskOptions, options, { code: "playbook", subject: `options ${subject}` }),
    ]);
    const instance: TaskInstance = {
      ...options,
      task: definition.name,
      key: definition.key(params),
      scope: definition.scope ?? "host",
      formerly: definition.formerly?.(params) ?? [],
      ...(definition.afterRestarts ? { afterRestarts: true } : {}),
      settlesMs: milliseconds(typeof settles === "string" ? settles : settles(params)),
      look: answeredFor(`task ${definition.name}`, (host) => definition.read(host, params)),
      plan: answeredFor(`task ${definition.name}`, async (host) =>
        definition.present(await definition.read(host, params), params),
      ),
    };
    return options.noLog ? withoutLog(instance) : instance;
  };
  return Object.assign(build, { definition });
}

/** `30s`, `500ms`, `2m` in milliseconds. */
export function milliseconds(words: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(words);
  if (!found) {
    throw new CausewayError("playbook", "a time is not written as one", {
      found: words,
      expected: "500ms, 30s or 2m",
    });
  }
  const unit = { ms: 1, s: 1000, m: 60_000 }[found[2] as "ms" | "s" | "m"];
  return Number(found[1]) * unit;
}
