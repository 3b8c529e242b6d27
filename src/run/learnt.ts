import { CausewayError } from "../errors.ts";
import type { Playbook } from "../playbook/define.ts";
import type { AnyPlay } from "./prepare.ts";

/** The play whose tasks are being composed: that is done in one go, so there is never more than one. */
let composing: AnyPlay | undefined;

/** Composes tasks of a play, and knows of which one while it lasts. */
export function composingOf<T>(play: AnyPlay, work: () => T): T {
  const before = composing;
  composing = play;
  try {
    return work();
  } finally {
    composing = before;
  }
}

type Unlearnt = ReadonlyMap<AnyPlay, ReadonlySet<string>>;

/**
 * Facts that a play would have as they were before the run, although they arise during it: a play before it learns them, or
 * they say so themselves, and this play does not.
 */
export function unlearntBy({ plays, facts = {} }: Playbook): Unlearnt {
  const arising = new Set(Object.keys(facts).filter((name) => facts[name]?.arises));
  return new Map(
    plays.map((play) => {
      for (const name of play.learns ?? []) arising.add(name);
      return [play, new Set([...arising].filter((name) => !play.learns?.includes(name)))] as const;
    }),
  );
}

/** The facts of a host, as the play that is being composed may have them. */
export function factsFor(
  known: Record<string, unknown>,
  unlearnt: Unlearnt,
  playbook: Playbook,
): Record<string, unknown> {
  const play = composing;
  const names = play && unlearnt.get(play);
  if (!play || !names?.size) return known;
  return new Proxy(known, {
    get: (of, name, receiver) => {
      if (typeof name === "string" && names.has(name)) throw notLearnt(play, name, playbook);
      return Reflect.get(of, name, receiver);
    },
  });
}

function notLearnt(
  { title, learns = [] }: AnyPlay,
  name: string,
  { whereIs, facts }: Playbook,
): CausewayError {
  const at = whereIs?.("tasks", title);
  const all = [...learns, name].map((one) => JSON.stringify(one)).join(", ");
  const why = facts?.[name]?.arises ? `${name} arises during the run` : `an earlier play learns ${name}`;
  return new CausewayError("playbook", `play “${title}” uses the fact ${name} and does not learn it`, {
    ...(at ? { at } : {}),
    found: `${why}; here it would be as it was before the first step`,
    expected: `learns: [${all}] in this play`,
  });
}
