// A playbook of the tests' own: what Ansible's users expect of plays over several hosts, one word a play.
import { definePlaybook, sh, Type } from "causeway";
import { command, file } from "causeway/tasks";

const slow = (name: string) =>
  command({
    name,
    do: sh`sleep 1; mkdir -p /opt/plays && touch /opt/plays/${name}`,
    creates: `/opt/plays/${name}`,
    undo: sh`rm -f /opt/plays/${name}; rmdir /opt/plays 2>/dev/null; true`,
  });

export default definePlaybook({
  name: "plays",
  summary: "Several hosts at once, one at a time, one alone, and one that fails",
  vars: Type.Object({
    broken: Type.String({ default: "", description: "the host that fails and is rescued" }),
  }),
  plays: [
    { title: "At once", hosts: "docker", tasks: () => [slow("at-once")] },
    { title: "One at a time", hosts: "docker", throttle: 1, tasks: () => [slow("one-at-a-time")] },
    { title: "Once", hosts: "docker", runOnce: true, tasks: () => [slow("once")] },
    {
      title: "For the others",
      hosts: "docker-202",
      tasks: (_host, fleet) => [
        file({
          path: "/opt/plays-hosts",
          content: fleet.hosts.map(({ name, address }) => `${name} ${address}\n`).join(""),
        }),
      ],
    },
    {
      title: "Rescued",
      hosts: "docker",
      tasks: ({ name, vars: { broken } }) => [
        command({
          name: "may fail",
          do: sh`${name === broken ? "false" : "true"} && touch /opt/well`,
          creates: "/opt/well",
          undo: sh`rm -f /opt/well`,
        }),
      ],
      rescue: (_host, _fleet, { message }) => [file({ path: "/opt/rescued", content: `${message}\n` })],
      always: () => [file({ path: "/opt/always", content: "always\n" })],
    },
  ],
});
