import { expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { tryAgain } from "../../src/host/attempts.ts";

const dropped = () => new Error("Connection lost before handshake");
const coded = (code: string) => Object.assign(new Error(code), { code });
const proxied = () =>
  new CausewayError("unreachable", "x", {
    output: "kex_exchange_identification: Connection closed by remote host",
  });

/** How often it was tried, and how it ended, where it fails so often. */
async function tries(error: () => Error, failures: number, ms = 60_000): Promise<[number, string]> {
  let tried = 0;
  const outcome = await tryAgain(Date.now() + ms, async () => {
    tried += 1;
    if (tried <= failures) throw error();
    return "in";
  }).catch((e: Error) => e.message);
  return [tried, outcome];
}

test.each([
  ["dropped before the host said who it is", dropped, 2, [3, "in"]],
  ["reset", () => coded("ECONNRESET"), 2, [3, "in"]],
  ["dropped by a jump host of a ProxyCommand", proxied, 1, [2, "in"]],
  [
    "no channel, where there are too many",
    () => new Error("(SSH) Channel open failure: open failed"),
    1,
    [2, "in"],
  ],
  ["refused once", () => coded("ECONNREFUSED"), 1, [2, "in"]],
  ["refused twice", () => coded("ECONNREFUSED"), 2, [2, "ECONNREFUSED"]],
  ["no route", () => coded("EHOSTUNREACH"), 1, [1, "EHOSTUNREACH"]],
  [
    "a login refused",
    () => new Error("All configured authentication methods failed"),
    1,
    [1, "All configured authentication methods failed"],
  ],
  ["a host key refused", () => new CausewayError("unreachable", "CHANGED"), 1, [1, "CHANGED"]],
] as const)("%s", async (_name, error, failures, expected) => {
  expect(await tries(error, failures)).toEqual(expected);
});

test("where time is over, a host that drops everybody is named as such", async () => {
  const [tried, message] = await tries(dropped, Number.POSITIVE_INFINITY, 700);
  expect(tried).toBeGreaterThan(1);
  expect(message).toBe("the host closed each connection before it said who it is");
});
