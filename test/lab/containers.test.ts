import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { labStatus } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { full, inFull, messagesOf, stepsOf, type TestLab, useLab } from "./support.ts";

const playbook = join(packageDir, "test/lab/playbooks/containers.ts");
const port = 5000;

/** Runs a registry in a host's network while `body` does; gives what it was asked for. */
async function withRegistry(lab: TestLab, host: string, body: () => Promise<void>): Promise<string> {
  const { hosts } = await labStatus(lab.spec);
  const pid = hosts.find(({ name }) => name === host)?.pid;
  // What is in busybox's image is all that a layer needs.
  await lab.must(
    host,
    "docker create --name packed busybox sh >/dev/null && docker export packed >/run/layer.tar && docker rm packed",
  );
  const layer = await lab.must(host, "base64 -w 0 /run/layer.tar; rm /run/layer.tar");
  const words = [
    "-t",
    String(pid),
    "--net",
    process.execPath,
    "--import",
    "tsx",
    join(packageDir, "test/lab/registry.ts"),
  ];
  const registry = spawn("nsenter", [...words, String(port)], {
    stdio: ["pipe", "pipe", "inherit"],
    cwd: packageDir,
  });
  let asked = "";
  registry.stdout.on("data", (chunk: Buffer) => {
    asked += chunk;
  });
  const ended = new Promise((resolve) => registry.once("close", resolve));
  registry.stdin.end(Buffer.from(layer, "base64"));
  try {
    await expect.poll(() => asked, { timeout: 60_000 }).toMatch(/^ready$/m);
    await body();
  } finally {
    registry.kill();
    await ended;
  }
  return asked;
}

describe.sequential.each([
  ["Docker 20.10", "test-containers", 79, "bullseye"],
  ["Docker 28", "test-containers-28", 80, "docker28"],
] as const)("%s", (_, name, third, image) => {
  if (!full) return test.skip("in test:full");
  const lab = useLab(name, third, 1, image);
  const [host = ""] = lab.names;
  const pulled = `127.0.0.1:${port}/app:1`;
  const state = (format: string) => lab.must(host, `docker container inspect -f '${format}' app`);
  const snapshotNow = () => snapshot(lab, host);

  inFull(
    "a container is waited for until it is healthy, replaced where it is not, and refused where it never is",
    async () => {
      await lab.must(host, "systemctl restart docker");
      const start = await snapshotNow();
      await lab.fine(playbook);
      expect(await state("{{.State.Health.Status}}")).toBe("healthy\n");
      expect(stepsOf((await lab.fine(playbook)).events)).toEqual([]);

      // Somebody breaks it: the next run makes it anew.
      const id = await state("{{.Id}}");
      await lab.must(host, "docker exec app rm /well");
      await expect.poll(() => state("{{.State.Health.Status}}"), { timeout: 30_000 }).toBe("unhealthy\n");
      const check = await lab.events(playbook, ["--check"]);
      expect(stepsOf(check.events, true).join()).toMatch(/container app/);
      await lab.fine(playbook);
      expect([await state("{{.State.Health.Status}}"), (await state("{{.Id}}")) === id]).toEqual([
        "healthy\n",
        false,
      ]);

      const ill = await lab.events(playbook, ["-e", "pings=false"]);
      expect(ill.code).toBe(2);
      expect(JSON.stringify(ill.events.flatMap((e) => e.error ?? []))).toMatch(/not yet: app is healthy/);
      expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
      expect(differences(start, await snapshotNow())).toEqual([]);
    },
  );

  inFull(
    "an image is pulled from a registry, once, and goes with the undo; without a registry the step says why",
    async () => {
      const start = await snapshotNow();
      const images = () => lab.must(host, "docker images --format '{{.Repository}}:{{.Tag}}' | sort");
      const before = await images();
      const without = await lab.events(playbook, ["-e", `image=${pulled}`]);
      expect(without.code).toBe(2);
      expect(JSON.stringify(without.events.flatMap((e) => e.error ?? []))).toMatch(/connection refused/);

      const asked = await withRegistry(lab, host, async () => {
        await lab.fine(playbook, ["-e", `image=${pulled}`]);
        expect(stepsOf((await lab.fine(playbook, ["-e", `image=${pulled}`])).events)).toEqual([]);
        // What runs is known also where the image that is wanted is not there yet.
        const check = await lab.events(playbook, ["--check", "-e", `image=127.0.0.1:${port}/none:1`]);
        expect(check.events.flatMap((e) => e.steps ?? []).map(({ from }) => from)).toEqual([
          expect.stringContaining(pulled),
        ]);
        const none = await lab.events(playbook, ["-e", `image=127.0.0.1:${port}/none:1`]);
        expect(none.code).toBe(2);
        expect(JSON.stringify(none.events.flatMap((e) => e.error ?? []))).toMatch(
          /manifest unknown|not found/i,
        );
      });
      expect(asked.match(/^GET \/v2\/app\/blobs\//gm)).toHaveLength(2);
      // The one that could not be replaced runs on.
      expect(await state("{{.State.Running}} {{.Config.Image}}")).toBe(`true ${pulled}\n`);
      expect(messagesOf((await lab.fine(playbook, ["-e", `image=${pulled}`])).events).join()).not.toMatch(
        /half-done/,
      );
      expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
      expect(await images()).toBe(before);
      expect(differences(start, await snapshotNow())).toEqual([]);
    },
  );
});
