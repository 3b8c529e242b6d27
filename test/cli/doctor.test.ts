import { describe, expect, test, vi } from "vitest";
import { folderWith } from "../inventory/files.ts";
import { runIn } from "./run.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 });

const folder = folderWith({
  "off.ini": "here ansible_connection=local\noff ansible_host=127.0.0.1 ansible_port=9\n",
  "here.ini": "here ansible_connection=local\n",
});

interface Finding {
  about: string;
  level: string;
  found: string;
}
const doctor = async (...args: string[]) => {
  const { code, stdout, stderr } = await runIn(folder, "doctor", "--output", "json", ...args);
  const { sections } = JSON.parse(stdout || '{"sections":[]}') as {
    sections: { title: string; findings: Finding[] }[];
  };
  return { code, stderr, sections };
};

describe("run doctor", () => {
  test("without -i looks at this machine and the lab, which stays down", async () => {
    const { sections, code } = await doctor();
    expect(sections.map(({ title }) => title)).toEqual(["this machine", "the embedded lab"]);
    expect(sections[0]?.findings.map(({ about, level }) => `${about} ${level}`)).toEqual([
      "Node ok",
      "ssh ok",
      "npm packages ok",
      "cache ok",
    ]);
    const isMissing = sections.some(({ findings }) => findings.some(({ level }) => level === "missing"));
    expect(code).toBe(isMissing ? 1 : 0);
  });

  test("a host that does not answer is exit 4; the others are looked at", async () => {
    const { sections, code } = await doctor("-i", "off.ini", "--ssh-config", "none");
    const [, hosts] = sections;
    expect(hosts?.title).toBe("the hosts");
    expect(hosts?.findings.slice(0, 2)).toEqual([
      { about: "reachable", level: "missing", found: "1 of 2 answered" },
      {
        about: "unreachable",
        level: "missing",
        found: expect.stringMatching(/^off: .*SSH port[\s\S]*do +try/),
      },
    ]);
    expect(hosts?.findings).toContainEqual(
      expect.objectContaining({ about: "clock", level: "ok", found: expect.stringMatching(/1 host: here/) }),
    );
    expect(code).toBe(4);
  });

  test("what a host lacks is exit 2, or 0 where nothing is missing", async () => {
    const { sections, code } = await doctor("-i", "here.ini");
    const isMissing = sections.some(({ findings }) => findings.some(({ level }) => level === "missing"));
    expect(code).toBe(isMissing ? 2 : 0);
  });

  test.each([
    [["hosts"], /doctor takes options only[\s\S]*-l PATTERN/],
    [["-i", "here.ini", "-l", "gone"], /gone/],
    [["--output", "xml"], /--output takes plain, json/],
  ])("%j: exit 5", async (args, words) => {
    const { code, stderr } = await runIn(folder, "doctor", ...args);
    expect(stderr).toMatch(words);
    expect(code).toBe(5);
  });
});
