import {
  AbsolutePath,
  defineTask,
  restart,
  type Script,
  ShellScript,
  type Static,
  sh,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "what it achieves, as a check shows it" }),
    do: ShellScript({ description: "what is run, by `sh`, as root" }),
    creates: Type.Optional(AbsolutePath({ description: "it is done where this path exists" })),
    unless: Type.Optional(
      ShellScript({ description: "it is done where this ends with code 0; it changes nothing" }),
    ),
    undo: Type.Optional(
      ShellScript({ description: "takes it back; it succeeds also where there is nothing to take back" }),
    ),
    irreversible: Type.Optional(Type.String({ minLength: 1, description: "why it cannot be taken back" })),
    restarts: Type.Optional(Type.Array(Type.String(), { description: "units that are restarted after it" })),
    minutes: Type.Optional(
      Type.Number({ minimum: 0, description: "how long it may take; default: as --command-timeout says" }),
    ),
  },
  {
    additionalProperties: false,
    allOf: [
      { oneOf: [{ required: ["creates"] }, { required: ["unless"] }] },
      { oneOf: [{ required: ["undo"] }, { required: ["irreversible"] }] },
    ],
  },
);

/**
 * A command for which there is no task. It says how to see that it is done, by a path or another command: it is run where
 * that is not so, and has failed where that is not so after it. It also says how it is taken back, or why it cannot be.
 *
 * ```ts
 * import { sh } from "causeway";
 * import { command } from "causeway/tasks";
 *
 * const data = "/var/lib/app/data";
 *
 * export const task = command({
 *   name: "the app's database",
 *   do: sh`app-admin init --data ${data}`,
 *   creates: `${data}/VERSION`,
 *   undo: sh`rm -rf ${data}`,
 * });
 * ```
 */
export const command = defineTask({
  name: "command",
  summary: "A command, run where what it achieves is not there",
  params,
  key: ({ name }) => name,
  read: async (host, params) => {
    const { creates } = params;
    const { code } = await host.read(
      doneBy(params),
      creates === undefined ? {} : { looksAt: [`file:${creates}`] },
    );
    return code === 0;
  },
  present: (isDone, params) => {
    if (isDone) return [];
    const { name, undo, irreversible = "nobody said how", minutes, restarts: units = [] } = params;
    const common = {
      what: name,
      to: "done",
      do: params.do,
      causes: units.map(restart),
      ...(minutes === undefined ? {} : { timeoutMs: minutes * 60_000 }),
    };
    return [
      undo ? step.run({ ...common, done: doneBy(params), undo }) : step.run({ ...common, irreversible }),
    ];
  },
});

function doneBy({ creates, unless }: Static<typeof params>): Script {
  return creates === undefined ? (unless ?? sh`false`) : sh`[ -e ${creates} ]`;
}
