import { defineTask, step, Type } from "causeway";

const file = "/etc/motd";

/** The greeting of a login shell. */
export const motd = defineTask({
  name: "motd",
  summary: "What a person reads after logging in",
  params: Type.Object({ text: Type.String() }, { additionalProperties: false }),
  key: () => file,
  read: (host) => host.file(file),
  present: (was, { text }) => (was.content === `${text}\n` ? [] : [step.file({ was, content: `${text}\n` })]),
});
