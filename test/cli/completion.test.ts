import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { completions } from "../../src/cli/completions.ts";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";
import { Terminal } from "./terminal.ts";

// A shell with several commands, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 90_000 });

const folder = folderWith({
  "hosts.ini": "[web]\nweb1\nweb2\n[db]\ndb1\n",
  "tagged.ts": `import { definePlaybook, defineTask, Type } from "causeway";
const t = defineTask({ name: "t", summary: "x", params: Type.Object({}), key: () => "k", read: async () => 1, present: () => [] });
export default definePlaybook({ name: "tagged", summary: "x", vars: Type.Object({}), plays: [
  { title: "P", hosts: "all", tags: ["config"], tasks: () => [t({}, { tags: ["certs", "never"] })] }] });`,
});
const inventory = join(folder, "hosts.ini");
const words = async (...typed: string[]) => (await completions(typed, commands)).map(({ word }) => word);

describe("what fits", () => {
  test.each<[string[], string[]]>([
    [["hist"], ["history"]],
    [["static-r"], ["static-route"]],
    [["lab", "ima"], ["images"]],
    [["lab", "fault", "docker-200"], ["docker-200"]],
    [["doc", "sysc"], ["sysctl"]],
    [["completion", "z"], ["zsh"]],
    [
      ["static-route", "--list-t"],
      ["--list-tasks", "--list-tags"],
    ],
    [["rollback", "--list-t"], []],
    [
      ["static-route", "--output", "p"],
      ["pretty", "plain"],
    ],
    [
      ["static-route", "--output=p"],
      ["--output=pretty", "--output=plain"],
    ],
    [["static-route", "-i", "lab-"], ["lab-2022"]],
    [
      ["exec", "-i", inventory, "w"],
      ["web1", "web2", "web"],
    ],
    [
      ["exec", "-i", inventory, "web1,d"],
      ["web1,db1", "web1,db"],
    ],
    [["exec", "web1", "-i", inventory, ""], []],
    [["exec", "all", "--", "his"], []],
    [
      ["static-route", `--inventory=${inventory}`, "-l", "web:!web1,d"],
      ["web:!web1,db1", "web:!web1,db"],
    ],
    [
      ["remove", "static-route", "-i", inventory, "db1,we"],
      ["db1,web1", "db1,web2"],
    ],
    [["inventory", "-i", inventory, "--host", "d"], ["db1"]],
    [
      [join(folder, "tagged.ts"), "-i", inventory, "-t", "c"],
      ["certs", "config"],
    ],
    [[join(folder, "tagged.ts"), "-i", inventory, "--skip-tags", "config,ce"], ["config,certs"]],
    [["exec", "-i", "/nowhere", "w"], []],
    // As bash takes words apart.
    [["static-route", "--output", "=", "j"], ["json"]],
    [
      ["static-route", "-i", inventory, "-l", "web", ":", "db"],
      ["db1", "db"],
    ],
  ])("%j: %j", async (typed, fits) => expect(await words(...typed)).toEqual(fits));

  test("at first every command and every playbook", async () => {
    expect(await words("")).toEqual(expect.arrayContaining(["exec", "doctor", "lab", "flannel", "verify"]));
  });

  test("an option has its line of the help", async () => {
    expect(await completions(["exec", "--forks"], commands)).toEqual([
      { word: "--forks", means: "connect to N hosts at a time (default 64)" },
    ]);
  });
});

/** A folder with `run` in it, for a PATH. */
function withRun(): string {
  const bin = folderWith({});
  symlinkSync(join(packageDir, "run"), join(bin, "run"));
  return bin;
}

/** How a shell starts that reads nothing of this machine's, and what it has to read; its last word says that it has. */
const interactive: Readonly<Record<string, readonly [start: string, reads: string]>> = {
  bash: ["bash --norc --noprofile -i", "source <(run completion bash)"],
  zsh: ["zsh -f -i", "bindkey -e; autoload -U compinit && compinit -u -D; source <(run completion zsh)"],
  fish: ["fish --no-config -i", "run completion fish | source"],
};

/** What is typed, with the tabulator; what has been typed then. */
const pressed: [typed: string, whole: string][] = [
  ["run completion fi\t", "run completion fish"],
  ["run exec -i hosts.ini web\t1,d\t1 -- true", "run exec -i hosts.ini web1,db1 -- true"],
  ["run exec -i 'my hosts.ini' ap\t", "run exec -i 'my hosts.ini' app1"],
  ["~/bin/run history --for\t", "~/bin/run history --forks"],
];

describe.each(Object.entries(interactive))("%s, when the tabulator is pressed", (shell, [start, reads]) => {
  test.skipIf(!existsSync(`/usr/bin/${shell}`))("completes what is typed", async () => {
    const home = folderWith({ "my hosts.ini": "app1\n", "hosts.ini": "[web]\nweb1\n[db]\ndb1\n" });
    mkdirSync(join(home, "bin"));
    symlinkSync(join(packageDir, "run"), join(home, "bin/run"));
    const terminal = new Terminal(start, home, { HOME: home, TERM: "dumb", PS1: "> " });
    terminal.types(`${reads}; echo rea''dy\n`);
    await terminal.sees("ready\r\n");
    for (const [index, [typed, whole]] of pressed.entries()) {
      // The line as it is then goes to a file, and not to the program.
      terminal.types(`${typed}\x01echo ${`"`}\x05${`"`} >line-${index}; echo do''ne-${index}\n`);
      await terminal.sees(`done-${index}\r\n`);
      const line = readFileSync(join(home, `line-${index}`), "utf8");
      expect(line.replace(/ \n$|\n$/, ""), terminal.shown).toBe(whole);
    }
    terminal.types("exit\n");
    expect(await terminal.ended).toBe(0);
  });
});

test.skipIf(!existsSync("/usr/bin/fish"))("fish offers what fits, with what it means", () => {
  const env = { ...process.env, PATH: `${withRun()}:${process.env.PATH}`, HOME: folder };
  const script = 'run completion fish | source; complete -C "run history --for"';
  expect(execFileSync("fish", ["-c", script], { env, encoding: "utf8" })).toBe(
    "--forks\tconnect to N hosts at a time (default 64)\n",
  );
});
