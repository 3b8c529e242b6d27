import { CausewayError, definePlaybook, Type } from "causeway";
import { pingCheck } from "../tasks/ping-check.ts";
import { differingVars } from "./checks/alike.ts";
import { proofsOf } from "./checks/proofs.ts";
import { running, schemeOf } from "./checks/running.ts";
import { standingTopology } from "./checks/standing-topology.ts";

const vars = Type.Object({
  probe_network: Type.Optional(
    Type.String({
      description: "the Docker network to test; default: the network of the scheme that the hosts run",
    }),
  ),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
  probe_count: Type.Integer({ default: 3, minimum: 1, maximum: 100, description: "packets per pair" }),
});

export default definePlaybook({
  name: "verify",
  summary: "Find out which scheme the hosts run, and prove it; change nothing",
  vars,
  hosts: "docker",
  facts: { running },
  check: (fleet) => differingVars(fleet.hosts, ["probe_network", "probe_image", "probe_count"]),
  plays: [],
  preflight: (fleet) => {
    if (fleet.reached.length === 0 || fleet.hosts[0]?.vars.probe_network !== undefined) return [];
    const scheme = schemeOf(fleet);
    return scheme instanceof CausewayError ? [scheme] : [];
  },
  remarks: (fleet) => {
    if (fleet.reached.length === 0 || fleet.hosts[0]?.vars.probe_network !== undefined) return [];
    const scheme = schemeOf(fleet);
    return scheme instanceof CausewayError ? [] : [{ level: "info", text: `the hosts run ${scheme.words}` }];
  },
  topology: (fleet) => {
    if (fleet.reached.length === 0 || fleet.hosts[0]?.vars.probe_network !== undefined) return undefined;
    const scheme = schemeOf(fleet);
    return scheme instanceof CausewayError ? undefined : standingTopology(scheme, fleet);
  },
  verify: (fleet) => {
    const [first] = fleet.hosts;
    if (!first) return [];
    const { probe_network: network, probe_image: image, probe_count: count } = first.vars;
    if (network !== undefined) return [pingCheck({ network, image, count, source: "preserved" })];
    const scheme = schemeOf(fleet);
    return scheme instanceof CausewayError ? [] : proofsOf(scheme, fleet.hosts, { image, count });
  },
});
