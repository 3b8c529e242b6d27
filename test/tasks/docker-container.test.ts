import { describe, expect, test } from "vitest";
import { dockerContainer } from "../../tasks/docker-container.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof dockerContainer.definition.present>[0];
type Seen = NonNullable<State["container"]>;

const wanted = {
  name: "web",
  image: "nginx:1",
  ports: ["80:80"],
  env: { A: "b c" },
  restart: "always",
  command: ["nginx", "-g", "daemon off;"],
};
const words = "--restart\nalways\n--publish\n80:80\n--env\nA=b c\nnginx:1\nnginx\n-g\ndaemon off;";
const shown = words.replaceAll("\n", " ");
const docker = { state: "running", version: "20.10.5", networks: [], containers: [] } as const;
const seen: Seen = { words, running: true, health: "none", image: "sha256:1", imageNow: "sha256:1" };
const plan = (container?: Seen, more: Partial<State> = {}) =>
  planWords(dockerContainer.definition.present({ docker, container, ...more }, wanted));

describe("docker-container: state read → exact steps", () => {
  test.each<[string, Seen | undefined, string[]]>([
    ["none yet", undefined, [`container web: — → ${shown}`]],
    ["in place", seen, []],
    ["healthy", { ...seen, health: "healthy" }, []],
    ["not healthy yet", { ...seen, health: "starting" }, ["later: the container web is not healthy yet"]],
    ["not healthy", { ...seen, health: "unhealthy" }, [`container web: ${shown}, unhealthy → ${shown}`]],
    ["stopped", { ...seen, running: false }, [`container web: ${shown}, stopped → ${shown}`]],
    ["made from other words", { ...seen, words: "nginx:1" }, [`container web: nginx:1 → ${shown}`]],
    [
      "its image's name means another image by now",
      { ...seen, imageNow: "sha256:2" },
      [`container web: ${shown}, of the image sha256:1 → ${shown}`],
    ],
    ["its image was removed from the host", { ...seen, imageNow: "" }, []],
  ])("%s", (_, container, steps) => {
    expect(plan(container)).toEqual(steps);
  });

  test("somebody else's is refused, running or not", () => {
    expect(() => plan({ ...seen, words: "" })).toThrow("the container web is somebody else's");
    expect(() => plan({ ...seen, words: "", running: false })).toThrow("somebody else's");
  });

  test("without Docker it is refused; where it does not run yet it waits", () => {
    expect(() => plan(undefined, { docker: { ...docker, state: "missing" } })).toThrow("not installed");
    expect(plan(undefined, { docker: { ...docker, state: "stopped" } })).toEqual([
      "later: Docker does not run yet",
    ]);
  });
});
