import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labFault, labHeal } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { linkPackages } from "../cli/installed.ts";
import { Terminal } from "../cli/terminal.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, execute, idle, messagesOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-commands", 91, 3);
const [, second = "", third = ""] = lab.names;
const folder = mkdtempSync(join(tmpdir(), "causeway-commands-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A command of the command line, over these hosts as if they were anybody's. */
function command(...words: string[]) {
  const { inventory, sshConfig } = lab.plainInventory();
  const [name = "", ...rest] = words;
  const reach = ["-i", inventory, "--ssh-config", sshConfig];
  return execute([join(packageDir, "run"), name, ...reach, ...rest], { cwd: folder });
}

const snapshots = () => Promise.all(lab.names.map((name) => snapshot(lab, name)));
const untouched = async (before: string[][]) =>
  (await snapshots()).flatMap((after, i) => differences(before[i] ?? [], after));

describe.sequential("run exec", () => {
  test("equal results once, each host's exit code, and the whole command's", async () => {
    const same = await command("exec", "all", "--", "hostname >/dev/null; echo fine");
    expect(same).toEqual({
      code: 0,
      stdout: "docker-[200:202] (3 hosts)\n  fine\n",
      stderr: expect.stringMatching(/^exit code 0 on 3 of 3 hosts, /),
    });
    const mixed = await command(
      "exec",
      "all",
      "--",
      `[ "$(hostname)" != ${second} ] || { echo broken >&2; exit 7; }`,
    );
    expect(mixed).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/docker-201, exit code 7\n {2}stderr:\n {2}broken\n/),
      stderr: expect.stringMatching(/^exit code 0 on 2 of 3 hosts, failed on 1 \(docker-201\), /),
    });
    const last = await command("exec", "docker:!docker-202", "--", "exit 255");
    expect(last).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/^docker-200, docker-201 \(2 hosts\), exit code 255\n/),
    });
  });

  test("--become as a plain user: by sudo, with and without a password; a wrong one is named", async () => {
    const { sshConfig } = lab.plainInventory();
    const addresses = lab.spec.hosts.map(({ name, address }) => [name, { ansible_host: address }]);
    const hosts = lab.playbook(
      "people.json",
      JSON.stringify({ all: { hosts: Object.fromEntries(addresses) } }),
    );
    const run = `${join(packageDir, "run")} exec all -i ${hosts} --ssh-config ${sshConfig} -T 20`;
    const asked = async (line: string, answers: readonly (readonly [string, string])[]) => {
      const terminal = new Terminal(line, folder);
      for (const [question, answer] of answers) {
        await terminal.sees(question);
        terminal.types(`${answer}\r`);
      }
      const code = await terminal.ended;
      expect(terminal.shown).not.toMatch(/\bops-pass\b|wrong-one/);
      return { code, shown: terminal.shown };
    };
    await Promise.all(
      lab.names.map((name) =>
        lab.must(name, "echo ops:ops-pass | chpasswd; echo ops-nopass:ops-pass | chpasswd"),
      ),
    );
    const ssh = ["SSH password: ", "ops-pass"] as const;
    const become = "BECOME password [the same as for SSH]: ";
    expect(await asked(`${run} -u ops-nopass -k -- id -un`, [ssh])).toMatchObject({
      code: 0,
      shown: expect.stringMatching(/ {2}ops-nopass\s/),
    });
    expect(await asked(`${run} -u ops-nopass -k -b -- id -un`, [ssh])).toMatchObject({
      code: 0,
      shown: expect.stringMatching(/3 hosts\)\s+root\s/),
    });
    expect(await asked(`${run} -u ops -k -b -- id -un`, [ssh])).toMatchObject({
      code: 4,
      shown: expect.stringMatching(/sudo asks for a password[\s\S]*-K/),
    });
    expect(await asked(`${run} -u ops -k -K -- id -un`, [ssh, [become, ""]])).toMatchObject({
      code: 0,
      shown: expect.stringMatching(/3 hosts\)\s+root\s/),
    });
    expect(await asked(`${run} -u ops -k -K -- id -un`, [ssh, [become, "wrong-one"]])).toMatchObject({
      code: 4,
      shown: expect.stringMatching(/sudo refused[\s\S]*check the password \(-K\)/),
    });
    expect(await asked(`${run} -u ops -k -- id -un`, [["SSH password: ", "wrong-one"]])).toMatchObject({
      code: 4,
      shown: expect.stringMatching(/refused the login of ops[\s\S]*check the password \(-k/),
    });
  });

  test("a host that is down is exit 4; the others have done it", async () => {
    await labFault(lab.spec, third, { kill: true });
    const { code, stdout, stderr } = await command("exec", "all", "-T", "3", "--", "exit 7");
    await labHeal(lab.spec);
    expect(stdout).toMatch(/docker-200, docker-201 \(2 hosts\), exit code 7/);
    expect(stderr).toMatch(/unreachable +docker-202: /);
    expect(code).toBe(4);
  });
});

describe.sequential("run doctor", () => {
  test("names what a host lacks, and the command that mends it does", async () => {
    expect((await command("doctor")).code).toBe(0);
    await lab.must(second, "systemctl disable --now docker.service docker.socket");
    const { code, stdout } = await command("doctor");
    expect(stdout).toMatch(/ok +reachable: 3 of 3 answered/);
    expect(stdout).toMatch(/missing +Docker: it is installed and does not answer {2}\(1 host: docker-201\)/);
    expect(code).toBe(2);
    const fix = /missing +Docker.*\n +do: (.*)/.exec(stdout)?.[1] ?? stdout;
    expect(await execute(["sh", "-c", fix], { cwd: folder })).toMatchObject({ code: 0 });
    expect((await command("doctor")).code).toBe(0);
    await lab.must(second, "systemctl enable docker.socket");
  });

  test("a host that is down is exit 4, by its name, and the others are looked at", async () => {
    await labFault(lab.spec, third, { kill: true });
    const { code, stdout } = await command("doctor", "-T", "3");
    await labHeal(lab.spec);
    expect(stdout).toMatch(/missing +reachable: 2 of 3 answered\n +missing +unreachable: docker-202: /);
    expect(stdout).toMatch(/ok +root: .*\(2 hosts: docker-200.*201\]?\)/);
    expect(code).toBe(4);
  });
});

describe.sequential("run init", () => {
  const fleet = join(folder, "fleet");

  test("what its README says is done, with the files as they were made", async () => {
    const before = await snapshots();
    expect((await execute([join(packageDir, "run"), "init", "fleet"], { cwd: folder })).code).toBe(0);
    const made = readdirSync(fleet);
    cpSync(fleet, join(folder, "as-made"), { recursive: true });
    linkPackages(fleet);
    const hosts = lab.inventory({ vars: { owner: "the network team" } });
    const [whole = ""] =
      /(?<=```sh\n)[\s\S]*?(?=```)/.exec(readFileSync(join(fleet, "README.md"), "utf8")) ?? [];
    const lines = whole.split("\n").filter(Boolean);
    expect(lines).toHaveLength(5);
    const said: string[] = [];
    for (const line of lines) {
      // Its lab is this test's, and so are its own hosts; npm install has been done.
      const here = line
        .replace("npm install && ", "")
        .replace(" --check --diff", ` -i ${hosts} --check --diff`)
        .replace("-i inventory.yaml", `-i ${hosts}`);
      const { code, stdout, stderr } = await execute(["sh", "-c", here], { cwd: fleet });
      expect({ code, stderr }, `${here}\n${stdout}`).toMatchObject({ code: 0 });
      said.push(stdout);
      if (line.includes("do it"))
        expect(await lab.must(second, "cat /etc/motd")).toBe("docker-201, kept by the network team\n");
    }
    expect(said[0]).toMatch(/greet\.ts: OK[\s\S]*pass 2/);
    expect(said[1]).toContain("+docker-201, kept by the network team");
    expect(said[3]).toMatch(/changed {2}motd/);
    expect(await untouched(before)).toEqual([]);
    for (const name of made)
      expect((await execute(["diff", "-r", join(fleet, name), join(folder, "as-made", name)])).stdout).toBe(
        "",
      );
  });
});

describe.sequential("a part of a scheme", () => {
  let before: string[][] = [];
  const tagged = () =>
    lab.playbook(
      "tagged.ts",
      `import scheme from "${packageDir}/playbooks/static-route.ts";
const tags = [["ways"], ["docker0"], ["ways", "gone"]];
export default { ...scheme, plays: scheme.plays.map((play, i) => ({ ...play, tags: tags[i] })) };
`,
    );
  const part = async (...args: string[]) => {
    const { events, code } = await lab.events(tagged(), ["--no-verify", ...args]);
    expect(code, JSON.stringify(events.filter((e) => e.error))).toBe(0);
    return { steps: stepsOf(events, args.includes("--check")), said: messagesOf(events).join("\n") };
  };
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((name) => lab.must(name, "systemctl restart docker")));
    before = await snapshots();
  });

  test("--tags: what is chosen is done, and nothing else", async () => {
    const { steps, said } = await part("-t", "docker0");
    expect(steps).toHaveLength(3 * 2);
    expect(steps.filter((step) => !/docker0 →|daemon\.json →/.test(step))).toEqual([]);
    expect(said).toMatch(/a part of static-route: --tags docker0; what the other tasks did stays as it is/);
    for (const name of lab.names)
      expect(await lab.must(name, "ip route show proto 202; iptables-save | grep -c causeway || true")).toBe(
        "0\n",
      );
  });

  test("--start-at-task: what comes before is left out", async () => {
    const { steps, said } = await part("--start-at-task", "iptables-forward*");
    expect(steps).toHaveLength(3 * 4);
    expect(steps.filter((step) => !/ (chain|rule) (filter|nat) /.test(step))).toEqual([]);
    expect(said).toMatch(/a part of static-route: --start-at-task/);
    for (const name of lab.names) expect(await lab.must(name, "ip route show proto 202")).toBe("");
  });

  test("--skip-tags: what is skipped would not be done either", async () => {
    expect((await part("--skip-tags", "ways", "--check")).steps).toEqual([]);
    const { steps, said } = await part("--skip-tags", "docker0,gone", "--check");
    expect(steps.map((step) => step.split(" ").slice(1, 3).join(" "))).toEqual(
      lab.names.map(() => "routes peers"),
    );
    expect(said).toMatch(/--skip-tags docker0,gone/);
  });

  test("a whole run completes it, and is proved; the next has nothing to do", async () => {
    const { events } = await lab.fine(tagged());
    expect(stepsOf(events)).toHaveLength(3);
    expect(messagesOf(events).join("\n")).not.toMatch(/a part of/);
    expect(cellsOf(events).filter((cell) => cell.ok)).toHaveLength(6);
    expect(doneBy(await lab.events(tagged()))).toEqual(idle(lab.names));
  });

  test("a part of what stands infers nothing from what it leaves out; a reset takes all of it back", async () => {
    expect((await part("-t", "gone")).steps).toEqual([]);
    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
    expect(await untouched(before)).toEqual([]);
  });
});
