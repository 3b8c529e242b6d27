// A playbook of the tests' own: a container whose image has to be pulled, or whose health is looked at.
import { definePlaybook, sh, Type } from "causeway";
import { dockerContainer, waitFor } from "causeway/tasks";

export default definePlaybook({
  name: "containers",
  summary: "A container that is pulled, and is healthy",
  vars: Type.Object({
    image: Type.String({ default: "busybox" }),
    health: Type.String({ default: "test -e /well", description: "what has to succeed in it" }),
    pings: Type.Boolean({ default: true, description: "whether its program says so" }),
  }),
  plays: [
    {
      title: "Run it",
      hosts: "docker",
      tasks: ({ vars: { image, health, pings } }) => [
        dockerContainer({
          name: "app",
          image,
          command: ["sh", "-c", `${pings ? "sleep 2; touch /well; " : ""}exec sleep 3600`],
          options: [
            `--health-cmd=${health}`,
            "--health-interval=1s",
            "--health-retries=3",
            "--stop-timeout=0",
          ],
        }),
        waitFor({
          until: sh`[ "$(docker container inspect -f '{{.State.Health.Status}}' app)" = healthy ]`,
          words: "app is healthy",
          timeout: "30s",
        }),
      ],
    },
  ],
});
