import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { taskPages } from "../../docs/generate.ts";
import { slugOf } from "../../site/.vitepress/slug.ts";
import { optionLines, overview } from "../../src/cli/help.ts";
import { playbookOptions } from "../../src/cli/playbook-options.ts";
import { packageDir } from "../../src/package-dir.ts";
import { compileErrors, examplesOf, pages } from "./examples.ts";

const read = (path: string) => readFileSync(join(packageDir, path), "utf8");

describe("docs/tasks", () => {
  it("has a page for every task, as npm run docs writes it, and no other", async () => {
    const current = await taskPages();
    expect(readdirSync(join(packageDir, "docs/tasks")).sort()).toEqual([...current.keys()].sort());
    for (const [name, text] of current) expect(read(`docs/tasks/${name}`), name).toBe(text);
  }, 30_000);
});

describe("examples", () => {
  it("all compile; one that does not is caught, with its place", () => {
    const examples = pages().flatMap(examplesOf);
    expect(examples.length).toBeGreaterThan(5);
    const text = '\n\nimport { sh } from "causeway";\nexport const a: number = sh`true`;\n';
    const wrong = { page: "docs/page.md", line: 3, path: "playbooks/wrong.ts", text };
    expect(compileErrors([...examples, wrong])).toEqual([
      "docs/page.md:4: Type 'Script' is not assignable to type 'number'.",
    ]);
  }, 120_000);
});

test("docs/from-ansible.md says of each word what it is here", () => {
  const rows = read("docs/from-ansible.md")
    .split("\n")
    .flatMap((line) => /^\| ([^|]*) \|/.exec(line)?.[1] ?? []);
  const words =
    "when loop register retries until run_once delegate_to block rescue always throttle serial tags no_log ansible_facts gather_facts handlers notify vault lookup('env' lookup('pipe' vars_prompt include_role include_tasks check_mode diff become async poll";
  expect(words.split(" ").filter((word) => !rows.some((row) => row.includes(word)))).toEqual([]);
});

describe("README.md", () => {
  it("names every option as the help does", () => {
    const shown = read("README.md");
    const rows = optionLines(playbookOptions)
      .split("\n")
      .map((line) => {
        const [, option = "", help = ""] = /^\s*(.*?--\S+(?: [A-Z]+)?)\s{2,}(.*)$/.exec(line) ?? [];
        return `| \`${option}\` | ${help.replaceAll("|", "\\|")} |`;
      });
    expect(rows.filter((row) => !shown.includes(row))).toEqual([]);
  });

  it("names every exit code", () => {
    const codes = [...overview.slice(overview.indexOf("Exit codes:")).matchAll(/\b(\d+) [a-z]/g)];
    expect(codes.length).toBeGreaterThan(8);
    for (const [, code] of codes) expect(read("README.md")).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
  });
});

test("README.zh-CN.md gives the commands of README.md", () => {
  const commands = (page: string) =>
    [...read(page).matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) =>
      block
        .trim()
        .split("\n")
        .map((line) => line.replace(/\s+#.*/, "")),
    );
  expect(commands("README.md").length).toBeGreaterThan(8);
  expect(commands("README.zh-CN.md")).toEqual(commands("README.md"));
});

test.each(pages())("every link of %s leads somewhere", (page) => {
  // A pattern in code, `^[a-z](…)$`, is no link.
  const text = read(page).replaceAll(/`[^`\n]*`/g, "");
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)];
  const lost = links.filter(([, to = "", anchor]) => {
    const target = to === "" ? page : join(dirname(page), to);
    if (!existsSync(join(packageDir, target))) return true;
    return anchor !== undefined && !anchorsOf(target).includes(anchor.slice(1));
  });
  expect(lost.map(([link]) => link)).toEqual([]);
});

function anchorsOf(page: string): string[] {
  const text = read(page).replaceAll(/^```.*?^```$/gms, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    slugOf(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")),
  );
}
