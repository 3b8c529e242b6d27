import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** What playbooks and tasks import; here without the bundle. */
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = [
  { find: /^causeway$/, replacement: here("src/index.ts") },
  { find: /^causeway\/tasks$/, replacement: here("tasks/index.ts") },
];

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
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          globalSetup: "test/lab/setup.ts",
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 400_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
