import { rawScript, type Script, sh } from "../src/host/sh.ts";
import { connectSsh } from "../src/host/ssh.ts";
import { readJournalScript } from "../src/journal/entries.ts";
import { hostLibrary } from "../src/journal/library.ts";
import { endScript, hostScript } from "../src/journal/script.ts";
import { step } from "../src/kinds/index.ts";
import { labConnection } from "../src/lab/index.ts";
import type { LabSpec } from "../src/lab/types.ts";

/** What the journal costs on one lab host: the same ten steps with it and without, and a look at it before and after 1,000 runs. */
export async function journalCosts(
  lab: LabSpec,
  rounds: number,
  print: (line: string) => void,
): Promise<void> {
  const { privateKeyFile, knownHostsFile } = labConnection(lab);
  const [host] = lab.hosts;
  if (!host) throw new Error("a lab without hosts");
  const target = {
    name: host.name,
    kind: "ssh" as const,
    address: host.address,
    user: "root",
    become: false,
  };
  const session = await connectSsh(
    { ...target, privateKeyFile, knownHostsFiles: [knownHostsFile] },
    { hostKeyChecking: "strict", connectTimeoutMs: 60_000, commandTimeoutMs: 120_000, sshConfigFile: "none" },
  );
  let number = 0;

  /** One run of some steps, and the round trips and milliseconds that it took. */
  const timed = async (work: () => Promise<void>) => {
    const [trips, began] = [session.stats.roundTrips, performance.now()];
    await work();
    return { trips: session.stats.roundTrips - trips, ms: performance.now() - began };
  };
  const must = async (script: Script) => {
    const { code, stdout, stderr } = await session.run(script.text);
    if (code !== 0) throw new Error(`code ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  const marks = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      number += 1;
      const path = `/var/tmp/bench-${i}`;
      const write = sh`printf %s ${number} | cw_file_write ${path} 644 0:0`;
      const was = {
        path,
        kind: "absent" as const,
        mode: "",
        uid: 0,
        gid: 0,
        size: 0,
        sha256: "absent",
        content: "",
      };
      return { ...step.file({ was, content: "" }), perform: write };
    });
  const journalled = async (count: number) => {
    const run = `run-${String(number).padStart(8, "0")}`;
    const head = (await must(rawScript("cat /var/lib/causeway/head 2>/dev/null || true"))).trim();
    const actions = marks(count).map((one, i) => ({
      does: "step" as const,
      n: String(i + 1).padStart(4, "0"),
      identity: { owner: "bench", task: "file", key: one.what, scope: "host" as const, play: 0 },
      step: one,
    }));
    const options = {
      run,
      host: "bench",
      head,
      who: "bench",
      record: JSON.stringify({ id: run }),
      libraries: head === "" ? [] : [hostLibrary().hash],
      actions,
      due: [],
    };
    return timed(async () => {
      await must(hostScript(options));
      await must(endScript(run, "done"));
    });
  };
  const bare = (count: number) => {
    const steps = marks(count).map((one) => `(${one.perform.text}) || exit 1`);
    return timed(async () => {
      await must(
        rawScript([`eval ${sh`${hostLibrary().text}`.text}`, "B=/var/tmp/bench", ...steps].join("\n")),
      );
    });
  };
  const look = () => timed(async () => void (await must(readJournalScript)));

  try {
    const row = (what: string, costs: readonly { trips: number; ms: number }[]) => {
      const sorted = costs.map((c) => c.ms).sort((a, b) => a - b);
      return `| ${what} | ${costs[0]?.trips} | ${(sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(0)} ms |`;
    };
    const times = async (count: number, one: () => Promise<{ trips: number; ms: number }>) => {
      const all = [];
      for (let i = 0; i < count; i += 1) all.push(await one());
      return all;
    };
    print("\nThe journal, on one lab host\n\n| what | round trips | time |\n|---|---|---|");
    print(row("ten files written, without the journal", await times(rounds, () => bare(10))));
    print(
      row("ten files written, with it and with the run's end", await times(rounds, () => journalled(10))),
    );
    print(row("a look at it, which travels with the first reads", await times(rounds * 5, look)));
    print(row("one file written, in the first ten runs", await times(10, () => journalled(1))));
    await times(980, () => journalled(1));
    print(row("one file written, in the last ten of 1,000 runs", await times(10, () => journalled(1))));
    print(row("a look at it after 1,000 runs", await times(rounds * 5, look)));
  } finally {
    await session.close();
  }
}
