// A playbook of the tests' own: etcd on the first host and consul on all, from wherever the variables say.
import { definePlaybook, Type } from "causeway";
import { archiveOf, archiveVars, incompleteArchives } from "../../../playbooks/checks/archive.ts";
import { consulAgent } from "../../../tasks/consul-agent.ts";
import { etcdInstall } from "../../../tasks/etcd-install.ts";

const comment = "causeway:sources";

export default definePlaybook({
  name: "sources",
  summary: "etcd and consul out of archives",
  vars: Type.Object({ ...archiveVars("etcd", "etcd and etcdctl"), ...archiveVars("consul", "consul") }),
  check: (fleet) => [...incompleteArchives(fleet, "etcd"), ...incompleteArchives(fleet, "consul")],
  plays: [
    {
      title: "etcd",
      hosts: "docker[0]",
      tasks: ({ name, address, vars }, fleet) => [
        etcdInstall({
          name,
          members: [{ name, address }],
          clients: fleet.hosts.map((host) => host.address),
          ...archiveOf(vars, "etcd"),
          data_dir: "/var/lib/etcd/causeway",
          comment,
        }),
      ],
    },
    {
      title: "consul",
      hosts: "docker",
      tasks: ({ name, address, vars }, fleet) => {
        const addresses = fleet.hosts.map((host) => host.address);
        return [
          consulAgent({
            name,
            address,
            server: address === addresses[0],
            servers: addresses.slice(0, 1),
            clients: addresses,
            ...archiveOf(vars, "consul"),
            ui: false,
            data_dir: "/var/lib/consul/causeway",
            comment,
          }),
        ];
      },
    },
  ],
});
