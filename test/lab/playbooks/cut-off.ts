// Sets a key of a JSON file, and then cuts the runner off in the way that the variable `how` says.
import { definePlaybook, defineTask, type PlanItem, restart, sh, step, Type } from "causeway";
import { dockerBip } from "../../../tasks/docker-bip.ts";

const file = "/etc/cut-off.json";
const daemon = "/etc/docker/daemon.json";
const mark = "/run/cut-off";

const rule = (spec: string, table: "filter" | "ip6:filter" = "filter") =>
  step.rule({ table, chain: "INPUT", spec, comment: "cut-off", place: "first" });

const run = (what: string, how: { before?: string; undo?: string }) =>
  step.run({
    what,
    to: "done",
    do: sh`sleep ${how.before ?? "0"}; touch ${mark}`,
    done: sh`[ -e ${mark} ]`,
    undo: sh`sleep ${how.undo ?? "0"}; rm -f ${mark}`,
    touches: [`file:${mark}`],
  });

const ways: Readonly<Record<string, (runner: string) => readonly PlanItem[]>> = {
  /** Whoever is connected already stays connected. */
  "no new connection": () => [rule("-p tcp -m conntrack --ctstate NEW -m tcp --dport 22 -j DROP")],
  "no packet": () => [rule("-p tcp -m tcp --dport 22 -j DROP")],
  "no packet of IPv6": () => [rule("-p tcp -m tcp --dport 22 -j DROP", "ip6:filter")],
  /** The way back to the runner leads nowhere. */
  "no route": (runner) => [step.route({ to: `${runner}/32`, via: runner.replace(/\d+$/, "77") })],
  /** A step that takes long. */
  slow: () => [run("slow", { before: "20" })],
  /** What is done last is taken back at once, what comes before it takes long. */
  "slow undo": () => [run("slow undo", { undo: "15" }), rule("-p tcp -m tcp --dport 22 -j DROP")],
};

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
    const [{ rules }, of6, routes, done] = await Promise.all([
      host.rules(),
      host.rules(6),
      host.routes(),
      host.read(sh`ls ${mark} 2>/dev/null`, { looksAt: [`file:${mark}`] }),
    ]);
    return (
      [...rules, ...of6.rules].some(({ spec }) => spec.includes("cut-off")) ||
      routes.some(({ dst }) => dst === runner) ||
      done.code === 0
    );
  },
  present: (isCut, { how, runner }) => (isCut ? [] : (ways[how]?.(runner) ?? [])),
});

/** Nothing but a restart of Docker, whatever that comes to on the host. */
const restarted = defineTask({
  name: "restarted",
  summary: "A setting of Docker that needs a restart",
  params: Type.Object({}),
  key: () => daemon,
  read: (host) => host.file(daemon),
  present: (was) =>
    was.content.includes("cut-off")
      ? []
      : [step.jsonKeys({ was, keys: { labels: ["cut-off=yes"] }, causes: [restart("docker")] })],
});

export default definePlaybook({
  name: "cut-off",
  summary: "Cuts the runner off",
  vars: Type.Object({
    how: Type.String(),
    runner: Type.String({ description: "the address of this machine" }),
    interrupt_containers: Type.Boolean({ default: false }),
  }),
  plays: [
    { title: "Set a key", hosts: "docker", tasks: () => [setKey({})] },
    {
      title: "Cut the runner off",
      hosts: "docker",
      tasks: ({ vars: { how, runner } }) => {
        // What every scheme refuses beforehand: the subnet of the containers is the network of the hosts.
        if (how === "bip") return [dockerBip({ bip: `${runner}/24`, direct_routing: false })];
        if (how === "restart") return [restarted({})];
        return [cut({ how, runner })];
      },
    },
  ],
});
