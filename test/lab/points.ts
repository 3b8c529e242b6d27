import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn, labReboot } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, full, type Result, type RunEventLike, stepsOf, type TestLab } from "./support.ts";

/*
 * A scheme is cut off at points that are spread over its steps, and then run again or rolled back: its runner is killed, or a host
 * loses its power. A reset of it is killed, too, and given again. One lab stays up for all of it; each case ends in the state in
 * which it began, and says so.
 */

const resetBook = "playbooks/reset.ts";

export const numbers = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** So many points, spread evenly over those that there are. */
export const spread = (i: number, of: number, points: number): number =>
  1 + Math.floor(((i - 1) * points) / of);

/** What a run can be cut off at: each step and restart begins, and ends. */
export const isPoint = ({ type, state }: RunEventLike): boolean =>
  (type === "step" || type === "consequence") && (state === "started" || state === "done");

/** A command has to end well. */
async function ended(result: Promise<Result>): Promise<void> {
  const { code, stdout, stderr } = await result;
  if (code !== 0) throw new Error(`code ${code} instead of 0\n${stdout}${stderr}`);
}

/** The hosts that are cut off, as they were at first, and what is done with them. */
export class Points {
  readonly lab: TestLab;
  #inventory = "";
  #start: string[][] = [];

  constructor(lab: TestLab) {
    this.lab = lab;
  }

  get inventory(): string {
    return this.#inventory;
  }

  async begin(): Promise<void> {
    const vars = { flannel_binary: join(packageDir, "src/lab/flanneld-stand-in.sh") };
    this.#inventory = this.lab.inventory({ vars });
    // The first boot of all has units that no later one has; Docker's second start shows a gateway that its first one did not.
    await labReboot(this.lab.spec, this.lab.names);
    this.#start = await this.#now();
  }

  #now(): Promise<string[][]> {
    return Promise.all(this.lab.names.map((host) => snapshot(this.lab, host)));
  }

  play(scheme: string, ...args: string[]): Promise<Result> {
    return this.lab.run(`playbooks/${scheme}.ts`, ["--no-verify", ...args], this.#inventory);
  }

  reset(): Promise<Result> {
    return this.lab.run(resetBook, [], this.#inventory);
  }

  rollback(): Promise<Result> {
    return execute([join(packageDir, "run"), "rollback", "-i", this.#inventory], { cwd: this.lab.folder });
  }

  async expectStart(): Promise<void> {
    const now = await this.#now();
    const changed = now.flatMap((lines, i) =>
      differences(this.#start[i] ?? [], lines).map((line) => `${this.lab.names[i]} ${line}`),
    );
    expect(changed.join("\n")).toBe("");
  }

  /** After the command all hosts are as they were at first. */
  async atStart(back: Promise<Result>): Promise<void> {
    await ended(back);
    await this.expectStart();
  }

  /** The next run completes what was cut off, and what it made goes again. */
  async runAgain(scheme: string): Promise<void> {
    await ended(this.play(scheme));
    const left = await this.lab.events(`playbooks/${scheme}.ts`, ["--no-verify", "--check"], this.#inventory);
    expect([left.code, stepsOf(left.events, true)]).toEqual([0, []]);
    await this.atStart(this.reset());
  }

  /** Runs a scheme, or a reset of it, until the point of that number, where `then` happens. */
  async until(
    what: string,
    n: number,
    then: (send: (signal: NodeJS.Signals) => void, host: string) => void | Promise<void>,
  ): Promise<void> {
    let seen = 0;
    const { events } = await this.lab.follow(
      `playbooks/${what}.ts`,
      what === "reset" ? [] : ["--no-verify"],
      async (event, send) => {
        if (isPoint(event) && ++seen === n) await then(send, event.host ?? "");
      },
      this.#inventory,
    );
    if (seen < n) throw new Error(`only ${seen} points\n${JSON.stringify(events.filter((e) => e.error))}`);
  }

  async killed(what: string, n: number): Promise<void> {
    await this.until(what, n, (send) => send("SIGKILL"));
    await this.lab.atRest(90_000);
  }

  /** The host whose step it is loses its power, and boots. */
  async withoutPower(scheme: string, n: number): Promise<void> {
    await this.until(scheme, n, async (_send, host) => {
      await labPowerOff(this.lab.spec, [host]);
      await labPowerOn(this.lab.spec, [host]);
    });
    const dockerRuns = "until systemctl is-active -q docker; do sleep 0.2; done";
    await Promise.all(this.lab.names.map((host) => this.lab.must(host, dockerRuns)));
    await this.lab.atRest(90_000);
  }

  /** How many points the scheme has when nothing cuts it off, and how many its reset. */
  async measured(scheme: string): Promise<{ points: number; back: number }> {
    const { events } = await this.lab.fine(`playbooks/${scheme}.ts`, ["--no-verify"], this.#inventory);
    const undone = await this.lab.fine(resetBook, [], this.#inventory);
    await this.expectStart();
    return { points: events.filter(isPoint).length, back: undone.events.filter(isPoint).length };
  }
}

/** Points on a lab. A case that fails leaves new hosts for the next; at the end it is printed how many of how many passed. */
export function usePoints(lab: TestLab): Points {
  const points = new Points(lab);
  const counts = new Map<string, { passed: number; of: number }>();
  beforeAll(() => points.begin());
  afterEach(async ({ task }) => {
    const passed = task.result?.state !== "fail";
    const what = task.suite?.name ?? "";
    const count = counts.get(what) ?? { passed: 0, of: 0 };
    counts.set(what, { passed: count.passed + Number(passed), of: count.of + 1 });
    if (passed) return;
    await lab.reset();
    await points.begin();
  });
  afterAll(() => {
    for (const [what, { passed, of }] of counts) process.stderr.write(`${what}: ${passed}/${of}\n`);
  });
  return points;
}

/** The tests of one scheme: its runner killed at so many points, a host without power at five, its reset killed at five. */
export function describeScheme(points: Points, scheme: string, kills: number): void {
  describe.runIf(full).sequential(scheme, () => {
    let [forth, back] = [0, 0];
    beforeAll(async () => {
      ({ points: forth, back } = await points.measured(scheme));
    });
    const mended = [
      ["run again", () => points.runAgain(scheme)],
      ["rolled back", () => points.atStart(points.rollback())],
    ] as const;

    describe.each(mended)(`${scheme} killed, then %s`, (_how, mend) => {
      test.each(numbers(kills))(`at point %i of ${kills}`, async (i) => {
        await points.killed(scheme, spread(i, kills, forth));
        await mend();
      });
    });

    describe(`${scheme}'s reset killed, then given again`, () => {
      test.each(numbers(5))("at point %i of 5", async (i) => {
        await ended(points.play(scheme));
        await points.killed("reset", spread(i, 5, back));
        await points.atStart(points.reset());
      });
    });

    describe.each(mended)(`${scheme} without power, then %s`, (_how, mend) => {
      test.each(numbers(5))("at point %i of 5", async (i) => {
        await points.withoutPower(scheme, spread(i, 5, forth));
        await mend();
      });
    });
  });
}
