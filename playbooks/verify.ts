import { definePlaybook, Type } from "causeway";
import { pingCheck } from "../tasks/ping-check.ts";

const vars = Type.Object({
  probe_network: Type.String({ default: "bridge", description: "the Docker network to prove" }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
  probe_count: Type.Integer({ default: 3, minimum: 1, maximum: 100, description: "packets a pair" }),
});

export default definePlaybook({
  name: "verify",
  summary: "Prove which containers reach which; change nothing",
  vars,
  hosts: "docker",
  plays: [],
  verify: ({ hosts }) => {
    const [first] = hosts;
    if (!first) return [];
    const { probe_network: network, probe_image: image, probe_count: count } = first.vars;
    return [pingCheck({ network, image, count, source: "preserved" })];
  },
});
