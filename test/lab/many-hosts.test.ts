import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { cellsOf, full, type RunEventLike, useLab } from "./support.ts";

const lab = useLab("test-many", 21, 12);
const prove = join(packageDir, "test/lab/playbooks/prove.ts");

const bipOf = (host: string) => `192.168.${100 + lab.names.indexOf(host)}.1/24`;
const subnetOf = (host: string) => `192.168.${100 + lab.names.indexOf(host)}.0/24`;
const inventory = () =>
  lab.inventory({ of: Object.fromEntries(lab.names.map((host) => [host, { bip: bipOf(host) }])) });

interface Matrix {
  cells: { from: string; to: string; ok: boolean; cause?: string; evidence?: { ok: boolean } }[];
  sampleOf?: number;
  notes: string[];
}

async function proof(args: readonly string[] = []) {
  const { code, events, stderr } = await lab.events(prove, ["-e", "wire=routed", ...args], inventory());
  const matrix = events.findLast((e) => e.matrix)?.matrix as Matrix | undefined;
  if (!matrix) throw new Error(JSON.stringify(events.filter((e) => e.error)) + stderr);
  const failed = matrix.cells.filter(({ ok }) => !ok);
  return { code, ...matrix, failed, said: events.flatMap(({ doing }) => doing ?? []) };
}

const sampled = ["-e", "all_pairs_up_to=8"];

/** What was broken is mended after each test, whatever came of it. */
let mend: [string, string][] = [];
afterEach(async () => {
  for (const [host, script] of mend.splice(0)) await lab.on(host, script);
});

async function plant(host: string, script: string, repair: string): Promise<void> {
  mend = [[host, repair], ...mend];
  await lab.must(host, script);
}

async function expectClean(): Promise<void> {
  for (const host of lab.names) expect(await lab.must(host, "docker ps -aq")).toBe("");
}

describe.runIf(full).sequential("twelve hosts", () => {
  const [a, b] = ["docker-203", "docker-208"] as const;

  test("static-route: all 132 ordered pairs", async () => {
    const { code, events, stderr } = await lab.events("playbooks/static-route.ts", [], inventory());
    const cells = cellsOf(events);
    if (code !== 0) throw new Error(JSON.stringify(cells.filter((c) => !c.ok)) + stderr);
    expect(new Set(cells.map(({ from, to }) => `${from} ${to}`)).size).toBe(132);
    expect(cells.every((c) => c.ok && c.sourcePreserved)).toBe(true);
    await expectClean();
  });

  test("a sample of them: each host with the next and the one across, both ways", async () => {
    const { code, cells, sampleOf, notes, said } = await proof(sampled);
    expect([code, cells.length, sampleOf]).toEqual([0, 36, 132]);
    expect(notes).toEqual([expect.stringMatching(/^a sample: 36 of 132 ordered pairs; .*--all-pairs/)]);
    expect(said).toContain("proving 36 of 132 ordered pairs: at most 36 s");
    await expectClean();
  });

  test("captures are judged of the sample's pairs, also where all are tried", async () => {
    const { code, cells, notes } = await proof([...sampled, "--all-pairs", "--evidence"]);
    expect(cells.flatMap(({ cause }) => cause ?? [])).toEqual([]);
    expect([code, cells.length, cells.filter((c) => c.evidence?.ok).length]).toEqual([0, 132, 36]);
    expect(notes).toEqual(["captures of 36 pairs were judged"]);
    await expectClean();
  });

  test("two proofs at once do not hurt each other", async () => {
    const both = await Promise.all([proof(), proof(sampled)]);
    expect(both.map(({ code, failed }) => [code, failed])).toEqual([
      [0, []],
      [0, []],
    ]);
    await expectClean();
  });

  test("Ctrl-C in the middle: every container is gone when the run ends", async () => {
    let sent = false;
    const stop = async (event: RunEventLike, send: (signal: NodeJS.Signals) => void) => {
      if (sent || !/^proving/.test(String(event.doing))) return;
      expect(await lab.must(a, "docker ps -q | wc -l")).toBe("1\n");
      send("SIGINT");
      sent = true;
    };
    const { code } = await lab.follow(prove, ["-e", "wire=routed"], stop, inventory());
    expect([sent, code]).toEqual([true, 130]);
    await expectClean();
  });

  test.each([
    ["all pairs", []],
    ["a sample", sampled],
    ["a sample, and --all-pairs", [...sampled, "--all-pairs"]],
  ])("a route of one host to one other that is gone is found by %s", async (_, args) => {
    // A pair that is not in the sample: neither neighbours, nor across.
    const via = `${lab.net}.${b.slice(-3)}`;
    await plant(a, `ip route del ${subnetOf(b)}`, `ip route replace ${subnetOf(b)} via ${via} proto 202`);
    const { code, failed } = await proof(args);
    expect(code).toBe(3);
    const gone = expect.stringMatching(`^missing route: ${a} has no route to 192.168.108.`);
    expect(failed.map(({ from, to, cause }) => [from, to, cause])).toEqual([
      [a, b, gone],
      [b, a, gone],
    ]);
    await expectClean();
  });

  test.each([
    ["all pairs", []],
    ["a sample", sampled],
  ])("what a host drops of all others is found by %s, in every pair of it", async (_, args) => {
    const rule = `DOCKER-USER -d ${subnetOf(b)} -p icmp -j DROP`;
    await plant(b, `iptables -I ${rule}`, `iptables -D ${rule}`);
    const { code, failed } = await proof(args);
    expect(code).toBe(3);
    expect(failed).toHaveLength(22);
    for (const { from, to, cause } of failed) {
      expect([from, to]).toContain(b);
      expect(cause).toMatch(
        /^FORWARD drop: docker-208 drops it by DOCKER-USER -d 192\.168\.108\.0\/24 -p icmp/,
      );
    }
    await expectClean();
  });
});
