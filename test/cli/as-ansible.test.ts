import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { RunEvent } from "../../src/run/events.ts";
import { corpus } from "../inventory/ansible/corpus.ts";
import { type Answer, asAnsibleLists, recorded, sourcesOf, written } from "../inventory/ansible/samples.ts";
import { folderWith } from "../inventory/files.ts";
import { otherwise, outcomeOf } from "../run/ansible/outcomes.ts";
import { type Outcome, type Scenario, scenarios } from "../run/ansible/scenarios.ts";
import { playsWithTags, tagOptions } from "../run/ansible/tags.ts";
import { runIn } from "./run.ts";
import { ShellServers, unchecked } from "./shell-servers.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 300_000 });

/** All of it is tried with `npm run test:full`. */
const full = process.env.CAUSEWAY_TEST_FULL !== undefined;
const answersIn = <T>(file: string) =>
  JSON.parse(readFileSync(new URL(`../run/ansible/${file}`, import.meta.url), "utf8")) as Record<string, T>;

describe("inventories are listed, and patterns choose, as in Ansible", () => {
  const answers = JSON.parse(readFileSync(recorded, "utf8")) as Record<string, Answer>;
  const samples = Object.entries(corpus).filter((_, index) => full || index % 12 === 0);
  const book = (patterns: readonly string[]) => `import { definePlaybook, Type } from "causeway";
export default definePlaybook({ name: "book", summary: "x", vars: Type.Object({}), hosts: "all",
  plays: ${JSON.stringify(patterns)}.map((hosts) => ({ title: "of " + hosts, hosts, tasks: () => [] })) });`;

  test.each(samples)("%s", async (name, sample) => {
    const folder = written(sample);
    const sources = sourcesOf(sample, folder).flatMap((source) => ["-i", source]);
    const answer = answers[name];
    if (sample.playbook === undefined) {
      const { code, stdout, stderr } = await runIn(folder, "inventory", "--list", ...sources);
      expect(code, stderr).toBe(0);
      expect(asAnsibleLists(JSON.parse(stdout))).toEqual(answer?.list);
    }
    const asked = Object.entries(answer?.patterns ?? {});
    // Where Ansible warns of a word that names nobody, or nobody is left, we end with an error.
    const isOne = ([, { hosts, warned }]: (typeof asked)[0]) => !warned && hosts.length > 0;
    const ones = asked.filter(isOne);
    const path = join(folder, "patterns.ts");
    writeFileSync(path, book(ones.map(([pattern]) => pattern)));
    const listed = ones.map(([pattern, { hosts }]) =>
      [`of ${pattern} (${hosts.length})`, ...hosts].join("\n  "),
    );
    const { stdout, stderr } = await runIn(folder, path, ...sources, "--list-hosts");
    // Ansible runs twice on a machine with two names; here that is an error.
    if (name === "ini: localhost") expect(stderr).toMatch(/localhost and 127\.0\.0\.1 are one machine/);
    else expect(stdout).toBe(listed.map((one) => `${one}\n`).join(""));
    for (const [pattern] of asked.filter((one) => !isOne(one)))
      expect([
        pattern,
        (await runIn(folder, path, ...sources, "--list-hosts", `--limit=${pattern}`)).code,
      ]).toEqual([pattern, 5]);
  });
});

describe("--tags and --skip-tags choose as in Ansible", () => {
  const chosen = answersIn<string>("tags.json");
  const plays = playsWithTags.map(({ play, tasks }, p) => ({
    play,
    tasks: tasks.map((tags, t) => ({ tags, name: `${p}.${t}` })),
  }));
  const folder = folderWith({
    "tagged.ts": `import { definePlaybook, defineTask, Type } from "causeway";
const t = defineTask({ name: "t", summary: "x", params: Type.Object({ name: Type.String() }), key: ({ name }) => name, read: async () => 1, present: () => [] });
export default definePlaybook({ name: "tagged", summary: "x", vars: Type.Object({}),
  plays: ${JSON.stringify(plays)}.map(({ play, tasks }, i) => ({ title: "P" + i, hosts: "all", tags: play,
    tasks: () => tasks.map(({ name, tags }) => t({ name }, { tags })) })) });`,
  });
  const some = tagOptions.filter((_, index) => full || index % 4 === 2);

  test.each(some)("--tags %s --skip-tags %s", async (tags, skip) => {
    const options = [...(tags ? ["--tags", tags] : []), ...(skip ? ["--skip-tags", skip] : [])];
    const { stdout } = await runIn(folder, "tagged.ts", "-i", "h1,", "--list-tasks", ...options);
    const listed = [...stdout.matchAll(/^ {2}t (\d+\.\d+)/gm)].map(([, name]) => name);
    expect(listed.join(" ")).toBe(chosen[`${tags} / ${skip}`]);
  });
});

describe.skipIf(process.getuid?.() !== 0)("a roll over hosts comes out as in Ansible", () => {
  const servers = new ShellServers(12);
  const outcomes = answersIn<Outcome>("outcomes.json");
  const short = [
    "part of a batch fails",
    "a whole batch fails",
    "max_fail_percentage is reached, not passed",
    "max_fail_percentage is passed",
    "max_fail_percentage and a host that is unreachable",
    "any_errors_fatal",
    "a host failed in the play before",
    "a percentage is floored",
  ];
  beforeAll(async () => {
    await servers.listen();
    await servers.apart();
  });
  afterAll(() => servers.close());

  /** Each play leaves a file on each host; on some the first does not succeed. */
  function playbook(
    name: string,
    { failing = [], serial, maxFailPercentage, anyErrorsFatal, twoPlays }: Scenario,
  ): string {
    const policy = { maxFailPercentage, anyErrorsFatal };
    const [first, second] = twoPlays ? [policy, { ...policy, serial }] : [{ ...policy, serial }, undefined];
    const play = (title: string, more: object | undefined, fails: readonly string[]) =>
      more === undefined
        ? ""
        : `{ title: "${title}", hosts: "all", ...${JSON.stringify(more)}, tasks: (host) => [command({ name: "${title}",
    do: rawScript(${JSON.stringify(fails)}.includes(host.name) ? "exit 1" : "touch /var/lib/${name}-${title}"),
    creates: "/var/lib/${name}-${title}", undo: rawScript("rm /var/lib/${name}-${title}") })] },`;
    return `import { definePlaybook, rawScript, Type } from "causeway";
import { command } from "causeway/tasks";
export default definePlaybook({ name: "${name}", summary: "x", vars: Type.Object({}), plays: [
  ${play("first", first, failing)} ${play("second", second, [])} ] });`;
  }

  const tried = Object.entries(scenarios).filter(([name]) => full || short.includes(name));
  test.each(tried)("%s", async (title, scenario) => {
    const name = title.replaceAll(/\W+/g, "-");
    const hosts = servers.names.slice(0, scenario.hosts);
    const vars = hosts.map((host) => [host, servers.vars(host, scenario.unreachable?.includes(host))]);
    const folder = folderWith({
      "roll.ts": playbook(name, scenario),
      "hosts.json": JSON.stringify({ all: { hosts: Object.fromEntries(vars) } }),
    });
    const { code, stdout, stderr } = await runIn(
      folder,
      "roll.ts",
      "-i",
      "hosts.json",
      ...unchecked,
      // A loopback host has no systemd whose timer could take anything back.
      "--confirm-timeout",
      "0",
      "--output",
      "json",
    );
    const events = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as RunEvent);
    expect(
      outcomeOf(events, code),
      stderr + JSON.stringify(events.filter(({ type }) => type === "failed")),
    ).toEqual({ ...outcomes[title], ...otherwise[title]?.outcome });
  });
});
