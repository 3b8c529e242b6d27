import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** What playbooks and tasks import; here without the bundle. */
const alias = { causeway: fileURLToPath(new URL("src/index.ts", import.meta.url)) };

/** Lab tests boot real hosts: one file at a time, so that two cores are not fought over. */
export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/lab/**"] },
      },
      {
        resolve: { alias },
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 400_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
