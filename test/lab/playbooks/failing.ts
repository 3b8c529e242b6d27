// A playbook of the tests' own: a step that fails by chance, and a play that is rescued until it is told to be well.
import { definePlaybook, sh, Type } from "causeway";
import { command, file } from "causeway/tasks";

export default definePlaybook({
  name: "failing",
  summary: "What fails by chance, and what fails until it is mended",
  vars: Type.Object({ well: Type.Boolean({ default: false }) }),
  plays: [
    {
      title: "Succeed the second time",
      hosts: "docker",
      tasks: () => [
        command(
          {
            name: "luck",
            do: sh`[ -e /run/cw-luck ] || { touch /run/cw-luck; echo 'no luck'; exit 7; }; echo done >/opt/luck`,
            creates: "/opt/luck",
            undo: sh`rm -f /opt/luck`,
          },
          { retries: { times: 2, pause: "100ms" } },
        ),
      ],
    },
    {
      title: "Be well",
      hosts: "docker",
      tasks: ({ vars: { well } }) => [
        command({
          name: "health",
          do: sh`${well ? "true" : "false"} && touch /opt/well`,
          creates: "/opt/well",
          undo: sh`rm -f /opt/well`,
        }),
      ],
      rescue: () => [file({ path: "/opt/rescued", content: "rescued\n" })],
      always: () => [file({ path: "/opt/always", content: "always\n" })],
    },
  ],
});
