import { CausewayError, type Position, throwAll } from "../errors.ts";
import { nearest } from "../schema/nearest.ts";
import type { TaskInstance } from "../task/define.ts";
import { answeredFor } from "../thrown.ts";
import type { Around, Play, Playbook } from "./define.ts";

type Kind = "text" | "list" | "function" | "mapping" | "flag" | "text or function" | "any";
type Keys<K extends string = string> = Readonly<Record<K, { is: Kind; needed?: true }>>;

const playbookKeys: Keys<Exclude<keyof Playbook, "whereIs">> = {
  causeway: { is: "any" },
  name: { is: "text", needed: true },
  summary: { is: "text", needed: true },
  owns: { is: "text" },
  vars: { is: "mapping", needed: true },
  facts: { is: "mapping" },
  check: { is: "function" },
  preflight: { is: "function" },
  remarks: { is: "function" },
  topology: { is: "function" },
  hosts: { is: "text" },
  plays: { is: "list", needed: true },
  undoes: { is: "any" },
  verify: { is: "function" },
};

const playKeys: Keys<keyof Play<never, never>> = {
  title: { is: "text", needed: true },
  hosts: { is: "text", needed: true },
  learns: { is: "list" },
  tags: { is: "list" },
  runOnce: { is: "flag" },
  serial: { is: "any" },
  atOnce: { is: "text or function" },
  indivisible: { is: "function" },
  oneByOne: { is: "text" },
  whenComplete: { is: "flag" },
  confirmTimeout: { is: "any" },
  maxFailPercentage: { is: "any" },
  anyErrorsFatal: { is: "flag" },
  continueOnFailure: { is: "flag" },
  gate: { is: "function" },
  around: { is: "mapping" },
  throttle: { is: "any" },
  tasks: { is: "function", needed: true },
  rescue: { is: "function" },
  always: { is: "function" },
};

const aroundKeys: Keys<keyof Around<never, never>> = {
  hosts: { is: "text", needed: true },
  tasks: { is: "function", needed: true },
};

const words: Readonly<Record<Kind, string>> = {
  text: "a text",
  list: "a list",
  function: "a function",
  mapping: "a mapping",
  flag: "true or false",
  "text or function": "a text, or a function that gives one",
  any: "anything",
};

function kindOf(value: unknown): Kind {
  if (Array.isArray(value)) return "list";
  if (typeof value === "string") return "text";
  if (typeof value === "boolean") return "flag";
  if (typeof value === "function") return "function";
  return typeof value === "object" && value !== null ? "mapping" : "any";
}

function isOfKind(value: unknown, kind: Kind): boolean {
  return kind === "any" || kind.split(" or ").includes(kindOf(value));
}

/**
 * The playbook, if it has the shape of one; its functions' errors say where they were thrown. The types say the same in
 * an editor, but not everybody uses one.
 */
export function playbookOf(given: Playbook, file: string, source: string): Playbook {
  const errors: CausewayError[] = [];
  const fault = (
    message: string,
    key: string,
    detail: { found?: string; expected?: string; advice?: string },
  ) => errors.push(new CausewayError("playbook", message, { at: whereIs(key, file, source), ...detail }));
  const judge = (subject: string, value: object, keys: Keys) => {
    const missing = Object.keys(keys).filter((key) => keys[key]?.needed && !(key in value));
    for (const [key, is] of Object.entries(value)) {
      const meant = key in keys ? undefined : nearest(key, missing.length > 0 ? missing : Object.keys(keys));
      const expected = `one of ${Object.keys(keys)
        .slice(keys.causeway ? 1 : 0)
        .join(", ")}`;
      if (!(key in keys))
        fault(`${subject}: ${key} is not known here`, key, {
          expected,
          ...(meant ? { advice: `did you mean ${meant}?` } : {}),
        });
      else if (is !== undefined && !isOfKind(is, keys[key]?.is ?? "any"))
        fault(`${subject}: ${key} has the wrong type`, key, { expected: words[keys[key]?.is ?? "any"] });
    }
    if (errors.length === 0)
      for (const key of missing)
        fault(`${subject}: ${key} is missing`, "default definePlaybook", {
          expected: words[keys[key]?.is ?? "any"],
        });
  };
  judge("the playbook", given, playbookKeys);
  throwAll(errors);
  for (const [index, play] of given.plays.entries()) {
    judge(`play ${index + 1}`, play, playKeys);
    if (kindOf(play.around) === "mapping") judge(`play ${index + 1}: around`, play.around ?? {}, aroundKeys);
  }
  throwAll(errors);
  const facts = Object.keys(given.facts ?? {});
  for (const play of given.plays)
    for (const name of (play.learns ?? []).filter((name) => !facts.includes(name)))
      fault(`play “${play.title}” learns ${name}, which is no fact of the playbook`, "learns", {
        expected: facts.length > 0 ? `one of ${facts.join(", ")}` : "facts: { … } in the playbook",
      });
  if (!isSchema(given.vars))
    fault("vars is not an object schema", "vars", { expected: "vars: Type.Object({ … })" });
  if (given.plays.length === 0 && !given.undoes && !(given.hosts && given.verify))
    fault("the playbook does nothing", "plays", { expected: "plays, or hosts and verify" });
  throwAll(errors);
  const at = (key: string, behind?: string) => whereIs(key, file, source, behind);
  return { ...answering(given, at), whereIs: at };
}

function isSchema(vars: object): boolean {
  return (
    "type" in vars && vars.type === "object" && "properties" in vars && kindOf(vars.properties) === "mapping"
  );
}

/** The same playbook; what its functions throw and return is checked and named. */
function answering(given: Playbook, at: (key: string) => Position): Playbook {
  const { check, preflight, remarks, topology, verify, facts = {} } = given;
  const listing =
    <A extends unknown[]>(
      key: string,
      { title }: { title: string },
      compose: (...args: A) => readonly TaskInstance[],
    ) =>
    (...args: A): readonly TaskInstance[] => {
      const list: unknown = compose(...args);
      if (Array.isArray(list) && list.every((task) => typeof task?.plan === "function")) return list;
      throw new CausewayError("playbook", `play “${title}”: ${key} does not return a list of tasks`, {
        at: at(key),
        found: list instanceof Promise ? "a promise" : (JSON.stringify(list) ?? "nothing").slice(0, 60),
        expected: `${key}: (host, fleet) => [aTask({ … })], pure and not async`,
      });
    };
  const attendingTasks = (
    play: { title: string },
    around: NonNullable<Playbook["plays"][number]["around"]>,
  ) => listing("around.tasks", play, answeredFor(`what is around play “${play.title}”`, around.tasks));
  return {
    ...given,
    ...(check ? { check: answeredFor("check", check) } : {}),
    ...(preflight ? { preflight: answeredFor("preflight", preflight) } : {}),
    ...(remarks ? { remarks: answeredFor("remarks", remarks) } : {}),
    ...(topology ? { topology: answeredFor("topology", topology) } : {}),
    ...(verify ? { verify: answeredFor("verify", verify) } : {}),
    facts: Object.fromEntries(
      Object.entries(facts).map(([name, fact]) => [
        name,
        { ...fact, read: answeredFor(`fact ${name}`, fact.read) },
      ]),
    ),
    plays: given.plays.map((play) => {
      const tasks = answeredFor(`the tasks of play “${play.title}”`, play.tasks);
      const { atOnce, indivisible, around, rescue, always } = play;
      const of = (what: string) => `${what} of play “${play.title}”`;
      return {
        ...play,
        ...(play.gate ? { gate: answeredFor(`the gate of play “${play.title}”`, play.gate) } : {}),
        ...(typeof atOnce === "function" ? { atOnce: answeredFor(of("atOnce"), atOnce) } : {}),
        ...(indivisible ? { indivisible: answeredFor(of("indivisible"), indivisible) } : {}),
        tasks: listing("tasks", play, tasks),
        ...(around ? { around: { ...around, tasks: attendingTasks(play, around) } } : {}),
        ...(rescue ? { rescue: listing("rescue", play, answeredFor(of("the rescue"), rescue)) } : {}),
        ...(always ? { always: listing("always", play, answeredFor(of("always"), always)) } : {}),
      };
    }),
  };
}

/** Where a key of the playbook was most likely written, behind the line with a text. */
function whereIs(key: string, file: string, source: string, behind = ""): Position {
  const lines = source.split("\n");
  const from = lines.findIndex((line) => line.includes(behind));
  for (const [index, line] of lines.entries()) {
    if (index < from) continue;
    const column = new RegExp(`(?<![\\w.])${key.replaceAll(/\W/g, "\\$&")}(?=\\s*[:,(}])`).exec(line)?.index;
    if (column !== undefined) return { file, line: index + 1, column: column + 1 };
  }
  return { file, line: 1, column: 1 };
}
