import { expect, test } from "vitest";
import { inStandingOrder } from "../../src/task/standing-order.ts";

test.each<[string, string[], string[] | undefined, string[]]>([
  ["nothing stands yet: sorted", ["b", "c", "a"], undefined, ["a", "b", "c"]],
  ["the same ones stand: as they stand", ["a", "b", "c"], ["c", "a", "b"], ["c", "a", "b"]],
  ["one came: sorted", ["c", "b", "a"], ["c", "a"], ["a", "b", "c"]],
  ["one left: sorted", ["b", "a"], ["c", "b", "a"], ["a", "b"]],
  ["one stands twice: sorted", ["b", "a"], ["b", "b"], ["a", "b"]],
])("%s", (_, wanted, now, expected) => expect(inStandingOrder(wanted, now)).toEqual(expected));
