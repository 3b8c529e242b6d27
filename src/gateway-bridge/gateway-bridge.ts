import type { DockerState } from "../host/tools/docker.ts";
import { step } from "../kinds/index.ts";
import type { Step } from "../task/step.ts";

/** The bridge by which containers of an overlay network reach the world; Docker makes it with the first of them, or with a swarm. */
const gateway = "docker_gwbridge";

/** Made beforehand, as Docker's documentation has it for one with options of its own, so that an undo removes it. */
export function gatewayBridge({ networks }: DockerState): Step[] {
  if (networks.some((network) => network.name === gateway)) return [];
  const option = (name: string) => `com.docker.network.bridge.${name}`;
  return [
    step.dockerNetwork({
      name: gateway,
      driver: "bridge",
      options: {
        [option("name")]: gateway,
        [option("enable_icc")]: "false",
        [option("enable_ip_masquerade")]: "true",
      },
    }),
  ];
}
