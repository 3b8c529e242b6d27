import { beforeAll, describe, expect, test } from "vitest";
import { describeScheme, isPoint, numbers, spread, usePoints } from "./points.ts";
import { full, type Result, useLab } from "./support.ts";

/*
 * The schemes of the older hosts are cut off: 160 kills, 40 power cuts, 20 resets. Those of today's are in kill-points-today.test.ts.
 * Fifty pairs of runners meet on the same hosts.
 */

const lab = useLab("test-points", 36, 2);
const points = usePoints(lab);
for (const scheme of ["static-route", "flannel", "macvlan", "overlay"]) describeScheme(points, scheme, 20);

/** How a command came out beside another one. */
const named = /another run (is working on|changed) this host/;

describe.runIf(full).sequential("pairs of runners on the same hosts", () => {
  let of = 0;
  beforeAll(async () => {
    of = (await points.measured("static-route")).points;
  });
  const [, second = ""] = lab.names;
  const others: [string, () => Promise<Result>][] = [
    ["the same playbook", () => points.play("static-route")],
    ["another playbook", () => points.play("macvlan")],
    ["a reset", () => points.reset()],
    ["a rollback", () => points.rollback()],
    ["one of the hosts", () => points.play("static-route", "-l", second)],
  ];

  test.each(others.flatMap(([who, other]) => numbers(10).map((i) => [who, i, other] as const)))(
    "%s, at point %i of 10",
    async (_who, i, other) => {
      let beside: Promise<Result> | undefined;
      let seen = 0;
      const one = await lab.follow(
        "playbooks/static-route.ts",
        ["--no-verify"],
        (event) => {
          if (isPoint(event) && ++seen === spread(i, 10, of)) beside = other();
        },
        points.inventory,
      );
      const two = await (beside ?? other());
      const failures = one.events.flatMap(({ type, error }) => (type === "failed" ? [error?.message] : []));
      // One works. The other waits for nobody: it works on what is there afterwards, or it names who is working.
      expect([one.code, two.code]).toContain(0);
      if (one.code !== 0) expect([one.code, failures.join()]).toEqual([2, expect.stringMatching(named)]);
      if (two.code !== 0)
        expect([two.code, two.stdout + two.stderr]).toEqual([2, expect.stringMatching(named)]);
      await points.atStart(points.reset());
    },
  );
});
