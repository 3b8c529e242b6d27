import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** What playbooks and tasks import; here without the bundle. */
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = [
  { find: /^causeway$/, replacement: here("src/index.ts") },
  { find: /^causeway\/tasks$/, replacement: here("tasks/index.ts") },
];

const lab = {
  include: ["test/lab/**/*.test.ts"],
  globalSetup: "test/lab/setup.ts",
  maxWorkers: 2,
  // A busy machine is slow, and no fault: only what hangs ends so. What follows such a test finds its hosts half-way.
  testTimeout: 1_500_000,
  hookTimeout: 1_500_000,
};

/** The tests of schemes, on hosts with a Docker of today: the rest of the lab's tests has Docker 20.10. */
const schemes = ["static-route", "flannel", "macvlan", "proof"];
/** These have Docker 28 without being told. */
const newSchemes = ["swarm", "wireguard"];
const images = { trixie: [...schemes, ...newSchemes], docker28: schemes };
const withImages = process.env.CAUSEWAY_TEST_FULL === undefined ? [] : Object.entries(images);

/**
 * Lab tests boot real hosts, which wait about as long as they work: two files at a time keep two cores busy, and more
 * would fight over them. They come after the unit tests.
 */
export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/lab/**"],
          sequence: { groupOrder: 0 },
          // A machine that is busy with something else is slow, and no fault.
          testTimeout: 60_000,
        },
      },
      {
        resolve: { alias },
        test: {
          ...lab,
          name: "lab",
          sequence: { groupOrder: 1 },
        },
      },
      // One after the other: their labs have the same names and networks.
      ...withImages.map(([image, names], index) => ({
        resolve: { alias },
        test: {
          ...lab,
          name: `lab-${image}`,
          include: names.map((name) => `test/lab/${name}.test.ts`),
          env: { CAUSEWAY_TEST_IMAGE: image },
          sequence: { groupOrder: 2 + index },
        },
      })),
    ],
  },
});
