// A playbook of the tests' own: two hosts are changed one after the other, and a third one takes each out of its list meanwhile.
import { definePlaybook, sh, Type } from "causeway";
import { command, file, unit } from "causeway/tasks";

const list = "/etc/balancer";

export default definePlaybook({
  name: "around",
  summary: "A release, host by host, each out of the balancer's list meanwhile",
  vars: Type.Object({
    release: Type.Integer({ default: 1 }),
    broken: Type.String({ default: "", description: "the host on which the release does not start" }),
  }),
  plays: [
    {
      title: "A balancer",
      hosts: "docker-202",
      tasks: () => [
        file({
          path: "/etc/systemd/system/balancer.service",
          // It writes down what it reads at each reload.
          content: `[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'cat ${list}/* | tr "\\\\n" " " >>/run/balancer; echo >>/run/balancer'
[Install]
WantedBy=multi-user.target
`,
        }),
        unit({ name: "balancer", enabled: true, active: true }),
      ],
    },
    {
      title: "Release",
      hosts: "docker-200,docker-201",
      serial: 1,
      around: {
        hosts: "docker-202",
        tasks: (_balancer, { name }, state) => [
          file({ path: `${list}/${name}`, content: `${name}=${state}\n`, reloads: ["balancer"] }),
        ],
      },
      tasks: ({ name, vars: { release, broken } }) => [
        file({ path: "/opt/release", content: `${release}\n` }),
        command({
          name: "start the release",
          do: sh`${name === broken ? "false" : "true"} && cp /opt/release /opt/running`,
          unless: sh`cmp -s /opt/release /opt/running`,
          undo: sh`rm -f /opt/running`,
        }),
      ],
    },
  ],
});
