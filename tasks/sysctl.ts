import { defineTask, missingSysctl, readSysctl, Type } from "causeway";

const params = Type.Object(
  {
    key: Type.String({
      pattern: "^[\\w-]+([./][\\w*:-]+)+$",
      description: "as sysctl names it, such as `net.ipv4.ip_forward`; with slashes where a part has a dot",
    }),
    value: Type.Union([Type.String(), Type.Integer()], { description: "what it is to be" }),
  },
  { additionalProperties: false },
);

/**
 * A setting of the kernel, now and at every boot. A file of somebody's that would overrule it at boot is refused by its name.
 *
 * ```ts
 * import { sysctl } from "causeway/tasks";
 *
 * export const task = sysctl({ key: "vm.swappiness", value: 10 });
 * ```
 */
export const sysctl = defineTask({
  name: "sysctl",
  summary: "A setting of the kernel, now and at boot",
  params,
  key: ({ key }) => key,
  read: (host, { key }) => readSysctl(host, key),
  present: (state, { key, value }) => missingSysctl(state, { key, value }),
});
