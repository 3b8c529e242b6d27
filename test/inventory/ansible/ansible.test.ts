import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CausewayError } from "../../../src/errors.ts";
import { loadInventory } from "../../../src/inventory/load.ts";
import { select } from "../../../src/inventory/patterns.ts";
import { asAnsibleList } from "../../../src/inventory/show.ts";
import type { Inventory } from "../../../src/inventory/types.ts";
import { corpus, type Sample } from "./corpus.ts";
import { type Answer, asAnsibleLists, namesOf, recorded, sourcesOf, written } from "./samples.ts";

const here = dirname(fileURLToPath(import.meta.url));
const answers = JSON.parse(readFileSync(recorded, "utf8")) as Record<string, Answer>;

/** Debian's Ansible is for Debian's Python, whatever else is on the PATH. */
const ansiblesPython = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

async function ours(sample: Sample): Promise<Inventory> {
  const folder = written(sample);
  const sources = sourcesOf(sample, folder);
  return loadInventory(sources, new Map(), sample.playbook ? join(folder, sample.playbook) : undefined);
}

function named(inventory: Inventory, pattern: string): string[] | undefined {
  try {
    return select(inventory, pattern, "--limit").map((host) => host.name);
  } catch (error) {
    if (error instanceof CausewayError) return undefined;
    throw error;
  }
}

function askAnsible(): Record<string, Answer> {
  const cases = Object.entries(corpus).map(([name, sample]) => {
    const { playbook = null, patterns = [] } = sample;
    return [name, { folder: written(sample), sources: namesOf(sample), playbook, patterns }];
  });
  const printed = execFileSync(ansiblesPython, [join(here, "ask.py")], {
    input: JSON.stringify(Object.fromEntries(cases)),
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ANSIBLE_CONFIG: "none", PYTHONDONTWRITEBYTECODE: "1" },
  });
  return JSON.parse(printed.toString()) as Record<string, Answer>;
}

function whyNotAsked(): string | undefined {
  if (process.env.CAUSEWAY_TEST_FULL === undefined) return "npm run test:full asks it";
  try {
    execFileSync(ansiblesPython, ["-c", "import ansible.cli.inventory"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "no Ansible here: apt-get install ansible-core";
  }
}

const patternCount = Object.values(corpus).reduce((sum, { patterns = [] }) => sum + patterns.length, 0);

describe(`${Object.keys(corpus).length} inventories and ${patternCount} patterns are what they are in Ansible`, () => {
  test.each(Object.entries(corpus))("%s", async (name, sample) => {
    const inventory = await ours(sample);
    const answer = answers[name];
    expect(asAnsibleLists(asAnsibleList(inventory))).toEqual(answer?.list);
    for (const [pattern, { hosts, warned }] of Object.entries(answer?.patterns ?? {})) {
      // Where Ansible warns of a word that names nobody, or nobody is left, we end with an error.
      const expected = warned || hosts.length === 0 ? undefined : hosts;
      expect([pattern, named(inventory, pattern)]).toEqual([pattern, expected]);
    }
    expect(Object.keys(answer?.patterns ?? {})).toEqual([...(sample.patterns ?? [])]);
  });

  test("the corpus is as large as it is said to be", () => {
    expect(Object.keys(corpus).length).toBeGreaterThanOrEqual(60);
    expect(patternCount).toBeGreaterThanOrEqual(150);
  });

  const missing = whyNotAsked();
  test.skipIf(missing)(`what is written down is what Ansible says${missing ? ` (${missing})` : ""}`, () => {
    const asked = askAnsible();
    if (process.env.CAUSEWAY_TEST_RECORD) writeFileSync(recorded, `${JSON.stringify(asked, null, 1)}\n`);
    else expect(asked).toEqual(answers);
    const listings = Object.values(asked).filter(({ list }) => list !== null);
    const asks = Object.values(asked).flatMap(({ patterns }) => Object.keys(patterns));
    process.stdout.write(
      `Ansible was asked for ${listings.length} inventories and ${asks.length} patterns\n`,
    );
  });
});
