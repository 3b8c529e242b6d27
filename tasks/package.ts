import { defineTask, step, Type } from "causeway";

const params = Type.Object(
  {
    names: Type.Array(Type.String({ pattern: "^[A-Za-z0-9][\\w.+-]*$" }), {
      minItems: 1,
      description: "packages of the distribution, as apt, dnf or yum name them",
    }),
  },
  { additionalProperties: false },
);

/**
 * Packages of the distribution. Their services are not started: the task `unit` does that. The undo removes exactly what came
 * along with them.
 *
 * ```ts
 * import { packages, unit } from "causeway/tasks";
 *
 * export const tasks = [packages({ names: ["nginx", "curl"] }), unit({ name: "nginx", enabled: true, active: true })];
 * ```
 */
export const packages = defineTask({
  name: "package",
  summary: "Packages of the distribution are installed",
  params,
  key: ({ names }) => [...names].sort().join(" "),
  read: (host, { names }) => host.packages(names),
  present: (installed, { names }) => {
    const missing = names.filter((name) => !installed.has(name));
    return missing.length === 0 ? [] : [step.packages({ names: missing })];
  },
});
