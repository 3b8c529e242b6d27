import { expect, test } from "vitest";
import { rawScript, Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { definePlaybook, type Playbook } from "../../src/playbook/define.ts";
import { plainReporter } from "../../src/report/plain.ts";
import { run } from "../../src/run/run.ts";
import { defineTask } from "../../src/task/define.ts";
import { restart } from "../../src/task/step.ts";
import { connectTo, FakeHost, put } from "../run/fake-host.ts";
import { webs } from "./fleet.ts";
import { FakeTerminal, quiet } from "./terminal.ts";

const value = defineTask({
  name: "value",
  summary: "sets a value",
  params: Type.Object({ name: Type.String(), value: Type.String() }),
  key: ({ name }) => name,
  read: async (host, { name }) =>
    (await host.read(rawScript(`cat ${name}`), { looksAt: [`value:${name}`] })).stdout,
  present: (now, { name, value: want }) =>
    now === want ? [] : [put(name, want, name === "bip" ? { causes: [restart("docker")] } : {})],
});

/** What one person reads of a run over so many hosts, of which the third fails, the fifth is not there, and the seventh has its certificate. */
async function readOn(n: number, verbose = false) {
  const names = webs(n);
  const [, , failing = "", , lost = "", , early = ""] = names;
  const hosts = new Map(names.filter((name) => name !== lost).map((name) => [name, new FakeHost()]));
  hosts.get(failing)?.failing.set("bip", 9);
  hosts.get(early)?.values.set("certificate", `/etc/certs/${early}.pem`);
  const terminal = new FakeTerminal(200, 50);
  const reporter = plainReporter({ ...quiet, verbose, stdout: terminal.stream });
  const playbook = {
    ...definePlaybook({ name: "web", summary: "x", vars: Type.Object({}), plays: [] }),
    plays: [
      {
        title: "Lay the routes",
        hosts: "all",
        tasks: ({ name }: { name: string }) => [
          value({ name: "routes", value: `${n}-routes` }),
          value({ name: "bip", value: `10.1.${names.indexOf(name) % 250}.1/24` }),
          value({ name: "certificate", value: `/etc/certs/${name}.pem` }),
        ],
      },
    ],
  } as unknown as Playbook;
  const { exitCode } = await run({
    playbook,
    inventory: await loadInventory([`${names.join(",")},`]),
    extraVars: new Map(),
    check: false,
    verify: false,
    forks: 64,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 9000 },
    connect: connectTo(hosts),
    reporter,
    interrupted: new AbortController().signal,
    breakLock: false,
    verbose,
  });
  await reporter.close();
  expect(exitCode).toBe(4);
  return { lines: terminal.lines.slice(2, -1), failing, lost, early };
}

test.each([30, 300])("a run over %i hosts is as many lines as over any number of them", async (n) => {
  const { lines, failing, lost, early } = await readOn(n);
  const but = (left: number) => `${n - left} of ${n - 1} hosts`;
  // Which host is first with what, chance decides.
  const folded = lines.splice(8, 4).sort();
  const pad = (name: string) => name.padEnd(Math.max(name.length, `${n - 3} hosts`.length));
  expect(lines).toEqual([
    `${lost}  unreachable`,
    `    ${lost}: the host cannot be reached: it is not there`,
    "",
    "PLAY Lay the routes",
    `${failing}  failed`,
    `    ${failing} [value bip]: bip failed with code 9`,
    `      command   put bip 10.1.2.1/24`,
    "      output    it broke",
    "",
    "RECAP",
    `${n} hosts: ${n - 2} changed, 1 failed, 1 unreachable; ${n - 2} restarts`,
    `${pad(`${n - 3} hosts`)} : ok=0 changed=3 failed=0 unreachable=0 restarts=1 owed=—`,
    `${pad(failing)} : ok=0 changed=0 failed=1 unreachable=0 restarts=0 owed=—`,
    `${pad(lost)} : ok=0 changed=0 failed=0 unreachable=1 restarts=0 owed=—`,
    `${pad(early)} : ok=1 changed=2 failed=0 unreachable=0 restarts=1 owed=—`,
    "1 host failed, 1 host unreachable: see the errors above",
  ]);
  expect(folded).toEqual(
    [
      `changed on all ${n - 1} hosts  value routes  routes: — → ${n}-routes`,
      `changed on ${but(2)} (${Math.min(250, n - 2)} different values)  value bip  bip: — → *`,
      `changed on ${but(3)} (${n - 3} different values)  value certificate  certificate: — → /etc/certs/*.pem`,
      `restart docker on ${but(2)}, because of bip`,
    ].sort(),
  );
});

test("with -v over 300 hosts every step and every word of it is a line with its host", async () => {
  const { lines } = await readOn(300, true);
  const number = (those: RegExp) => lines.filter((line) => those.test(line)).length;
  expect(number(/^web\d{3} {2}changed {2}/)).toBe(298 * 3);
  // What a step said, and the seventh had one less to do.
  expect(number(/^web\d{3} {2}\| \w+ is on its way$/)).toBe(298 * 3);
});
