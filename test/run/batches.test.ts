import { describe, expect, test } from "vitest";
import { batchesOf, inOrderOf, parseSerial, type Serial, whyStop } from "../../src/run/batches.ts";

const hosts = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `h${i + 1}` }));

describe("batches have Ansible's sizes", () => {
  test.each<[Serial, number, number[]]>([
    [1, 3, [1, 1, 1]],
    [2, 5, [2, 2, 1]],
    [10, 3, [3]],
    [0, 3, [3]],
    ["25%", 10, [2, 2, 2, 2, 2]],
    ["30%", 10, [3, 3, 3, 1]],
    ["1%", 10, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ["100%", 6, [6]],
    ["1,25%,100%", 10, [1, 2, 7]],
    [[1, "50%"], 6, [1, 3, 2]],
    [[1, 2], 7, [1, 2, 2, 2]],
    [1, 0, []],
  ])("serial %j over %i hosts", (serial, count, sizes) => {
    const batches = batchesOf(hosts(count), parseSerial(serial, "serial"));
    expect(batches.map((b) => b.length)).toEqual(sizes);
    expect(batches.flat()).toEqual(hosts(count));
  });

  test.each(["", "x", "-1", "1,", "10 %", "1.5", "%", "0%", "200%", "1,200%"])(
    "%j is an error that says what is one",
    (serial) => {
      expect(() => parseSerial(serial, "--serial")).toThrow(/--serial is not a number of hosts/);
    },
  );
});

test("the order of the hosts", () => {
  const some = ["b", "c", "a"].map((name) => ({ name }));
  const names = (order: Parameters<typeof inOrderOf>[1]) => inOrderOf(some, order).map((h) => h.name);
  expect(names("inventory")).toEqual(["b", "c", "a"]);
  expect(names("reverse")).toEqual(["a", "c", "b"]);
  expect(names("sorted")).toEqual(["a", "b", "c"]);
  expect(names("shuffle").sort()).toEqual(["a", "b", "c"]);
});

describe("what ends a roll after a batch", () => {
  test.each([
    [0, 4, { anyErrorsFatal: true, maxFailPercentage: 0 }, undefined],
    [1, 4, {}, undefined],
    [4, 4, {}, /every host of the batch/],
    [1, 1, {}, /every host of the batch/],
    [4, 4, { continueOnFailure: true }, undefined],
    [1, 4, { anyErrorsFatal: true }, /any error is fatal/],
    [1, 4, { anyErrorsFatal: true, continueOnFailure: true }, /any error is fatal/],
    // Strictly greater: a quarter may fail where 25 is allowed.
    [1, 4, { maxFailPercentage: 25 }, undefined],
    [2, 4, { maxFailPercentage: 25 }, /2 of 4 hosts .* more than 25 percent/],
    [1, 10, { maxFailPercentage: 9 }, /more than 9 percent/],
    [1, 10, { maxFailPercentage: 0 }, /more than 0 percent/],
  ])("%i of %i failed, %j", (failed, size, policy, why) => {
    const stop = whyStop(failed, size, policy);
    if (why) expect(stop).toMatch(why);
    else expect(stop).toBeUndefined();
  });
});
