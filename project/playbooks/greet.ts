import { definePlaybook, Type } from "causeway";
import { motd } from "../tasks/motd.ts";

export default definePlaybook({
  name: "greet",
  summary: "Every host says who it is",
  vars: Type.Object({ owner: Type.String({ default: "nobody yet", description: "who keeps these hosts" }) }),
  plays: [
    {
      title: "Write the greeting",
      hosts: "docker",
      tasks: (host) => [motd({ text: `${host.name}, kept by ${host.vars.owner}` })],
    },
  ],
});
