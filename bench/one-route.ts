// One route on each host, to wherever the command line says: a change that arms the switch and takes no time of its own.
import { Cidr, definePlaybook, Ipv4, Type } from "causeway";
import { staticRoute } from "../tasks/static-route.ts";

export default definePlaybook({
  name: "bench-one-route",
  summary: "One route",
  vars: Type.Object({ to: Cidr(), via: Ipv4() }),
  plays: [
    {
      title: "One route",
      hosts: "all",
      tasks: ({ vars: { to, via } }) => [staticRoute({ name: "one", routes: [{ to, via }], keep: false })],
    },
  ],
});
