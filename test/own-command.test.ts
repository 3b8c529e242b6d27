import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { calledAs, ownCommand } from "../src/own-command.ts";
import { packageDir } from "../src/package-dir.ts";
import { folderWith } from "./inventory/files.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 });

/** A project with this package in its node_modules, as npm links it. */
function project(): string {
  const folder = folderWith({ "package.json": '{ "private": true, "scripts": { "typo": "run labs" } }' });
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  symlinkSync(join(packageDir, "run"), join(folder, "node_modules/.bin/run"));
  return folder;
}

/** What it advises whoever writes `labs`, called in some way from a shell there. */
function advice(folder: string, command: string, path = process.env.PATH ?? ""): string {
  const env = { ...process.env, PATH: path, npm_config_user_agent: undefined };
  const { stderr } = spawnSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8" });
  return /did you mean (.*)\?/.exec(stderr)?.[1] ?? stderr;
}

describe("advice is written as this program was called", () => {
  const [folder, there] = [project(), process.env.PATH];

  test.each([
    ["in a fresh clone", packageDir, "./run labs", there, "./run lab"],
    ["by its whole path", folder, `${packageDir}/run labs`, there, `${packageDir}/run lab`],
    ["by sh", packageDir, "sh run labs", there, "./run lab"],
    ["on the PATH", folder, "run labs", `${packageDir}:${there}`, "run lab"],
    [
      "where another run is on the PATH",
      packageDir,
      "./run labs",
      `${folder}/node_modules/.bin:${there}`,
      "./run lab",
    ],
    ["from a project", folder, "node_modules/.bin/run labs", there, "node_modules/.bin/run lab"],
    ["by npx", folder, "npx run labs", there, "npx run lab"],
    ["by a script of a project", folder, "npm run typo", there, "npx run lab"],
  ])("%s", (_, cwd, command, path, meant) => expect(advice(cwd, command, path)).toBe(meant));

  test("and can be pasted, where its folder has a blank, too", () => {
    expect(calledAs({ CAUSEWAY_CALLED_AS: "./my tools/run", PATH: "" })).toBe("'./my tools/run'");
    expect(calledAs({})).toBe("run");
    expect(ownCommand("history", undefined, "", "-b")).toBe(`${calledAs(process.env)} history -b`);
  });

  test("the command for the hosts that are left works where it was printed", () => {
    const other = folderWith({
      "hosts.ini": "[docker]\nh1 ansible_host=127.0.0.1 ansible_port=9 bip=192.168.100.1/24\n",
    });
    symlinkSync(join(packageDir, "run"), join(other, "run"));
    const args = ["static-route", "-i", "hosts.ini", "-T", "5"];
    const { stderr } = spawnSync("./run", args, { cwd: other, encoding: "utf8" });
    const again = /^to try these hosts again: (.*)$/m.exec(stderr)?.[1] ?? stderr;
    expect(again).toMatch(/^\.\/run static-route -i hosts\.ini -T 5 --limit @/);
    const listed = execFileSync("sh", ["-c", `${again} --list-hosts`], { cwd: other, encoding: "utf8" });
    expect(listed).toContain("(1)\n  h1\n");
  });
});

test("no words of the sources name a command of this program without saying how it is called", () => {
  const command =
    /\brun (history|rollback|remove|exec|doctor|init|doc|inventory|completion|lab|reset|verify|static-route|flannel|macvlan|overlay|swarm|wireguard|playbooks\/|PLAYBOOK|--\w)\b/;
  const files = ["src", "tasks", "playbooks"].flatMap((folder) =>
    readdirSync(join(packageDir, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|sh|mjs)$/.test(file))
      .map((file) => join(folder, file)),
  );
  const found = files.flatMap((file) =>
    readFileSync(join(packageDir, file), "utf8")
      .split("\n")
      .filter(
        (line) => command.test(line) && !/^\s*(\/\/|\/?\*|#)/.test(line) && !line.includes("docker run"),
      )
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
