import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

export interface DockerContainerStep {
  name: string;
  image: string;
  /** Everything that `docker run` is given between its own `-d --name NAME` and the image; one word each, without line breaks. */
  options: readonly string[];
  /** What runs in it, instead of the image's own. */
  command?: readonly string[];
  /** What there is now, and what will be, in words. */
  was: string | null;
  to: string;
}

/**
 * A container that runs in the background. One of the same name that causeway made is replaced, and comes back where the new
 * one does not start; anybody else's is left as it is. The image is pulled where it is missing.
 */
export function container({ was, to, ...given }: DockerContainerStep): Step {
  const { name, image } = given;
  return {
    kind: "container",
    what: `container ${name}`,
    from: was,
    to,
    resource: ["container", name],
    perform: sh`cw_container_put ${name} ${image} ${containerWords(given).join("\n")}`,
    touches: ["docker", "link", "rule", "route"],
    causes: [],
    timeoutMs: 600_000,
  };
}

/** The words for `docker run`, without those that it always gets. */
export function containerWords({
  image,
  options,
  command = [],
}: Pick<DockerContainerStep, "image" | "options" | "command">): string[] {
  return [...options, image, ...command];
}
