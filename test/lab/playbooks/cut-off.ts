// Sets a key of a JSON file, and then cuts the runner off in the way that the variable `how` says.
import { definePlaybook, defineTask, sh, step, Type } from "causeway";

const file = "/etc/cut-off.json";
const mark = "/run/cut-off";

const rule = (spec: string) =>
  step.rule({ table: "filter", chain: "INPUT", spec, comment: "cut-off", place: "first" });

const ways = {
  /** Whoever is connected already stays connected. */
  "no new connection": () => rule("-p tcp -m conntrack --ctstate NEW -m tcp --dport 22 -j DROP"),
  "no packet": () => rule("-p tcp -m tcp --dport 22 -j DROP"),
  /** The way back to the runner leads nowhere. */
  "no route": (runner: string) => step.route({ to: `${runner}/32`, via: runner.replace(/\d+$/, "77") }),
  /** A step that takes long. */
  slow: () =>
    step.run({
      what: "slow",
      to: "done",
      do: sh`sleep 20; touch ${mark}`,
      done: sh`[ -e ${mark} ]`,
      undo: sh`rm -f ${mark}`,
      touches: [`file:${mark}`],
    }),
} as const;

const setKey = defineTask({
  name: "set-key",
  summary: "A key of a JSON file",
  params: Type.Object({}),
  key: () => file,
  read: (host) => host.file(file),
  present: (was) =>
    was.content.includes("cut-off") ? [] : [step.jsonKeys({ was, keys: { "cut-off": ["yes"] } })],
});

const cut = defineTask({
  name: "cut",
  summary: "Cuts the runner off",
  params: Type.Object({ how: Type.String(), runner: Type.String() }),
  key: ({ how }) => how,
  read: async (host, { runner }) => {
    const [{ rules }, routes, done] = await Promise.all([
      host.rules(),
      host.routes(),
      host.read(sh`ls ${mark} 2>/dev/null`, { looksAt: [`file:${mark}`] }),
    ]);
    return (
      rules.some(({ spec }) => spec.includes("cut-off")) ||
      routes.some(({ dst }) => dst === runner) ||
      done.code === 0
    );
  },
  present: (isCut, { how, runner }) => (isCut ? [] : [ways[how as keyof typeof ways](runner)]),
});

export default definePlaybook({
  name: "cut-off",
  summary: "Cuts the runner off",
  vars: Type.Object({
    how: Type.String(),
    runner: Type.String({ description: "the address of this machine" }),
  }),
  plays: [
    { title: "Set a key", hosts: "docker", tasks: () => [setKey({})] },
    {
      title: "Cut the runner off",
      hosts: "docker",
      tasks: ({ vars: { how, runner } }) => [cut({ how, runner })],
    },
  ],
});
