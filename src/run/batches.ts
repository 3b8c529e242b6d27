import { CausewayError } from "../errors.ts";

/** How many hosts at a time: `3`, `25%` of all, or a list of these whose last one repeats. */
export type Serial = number | string | readonly (number | string)[];

export const orders = ["inventory", "reverse", "sorted", "shuffle"] as const;
export type Order = (typeof orders)[number];

/** `1,25%,100%` as a list of sizes; an error names what is none. */
export function parseSerial(serial: Serial, where: string): readonly (number | string)[] {
  const items = typeof serial === "string" ? serial.split(",").map((item) => item.trim()) : [serial].flat();
  for (const item of items) {
    if (isSize(String(item))) continue;
    throw new CausewayError(
      where.startsWith("--") ? "usage" : "playbook",
      `${where} is not a number of hosts`,
      {
        found: String(item) || "nothing",
        expected: 'a number, a percentage from 1% to 100%, or a list of them: 1, 25%, "1,25%,100%"',
      },
    );
  }
  if (items.length > 0) return items;
  throw new CausewayError("playbook", `${where} is an empty list`, { expected: "one size or more" });
}

/** Ansible takes 0% for one host and 200% for all of them; whoever writes these meant something else. */
function isSize(item: string): boolean {
  const [, number, percent] = /^(\d+)(%?)$/.exec(item) ?? [];
  return number !== undefined && (percent === "" || (Number(number) >= 1 && Number(number) <= 100));
}

/**
 * Cuts hosts into batches with Ansible's arithmetic (PlaybookExecutor._get_serialized_batches, pct_to_int): a percentage is
 * of all hosts, floored and at least one; 0 takes all that are left; the last item of the list repeats.
 */
export function batchesOf<H>(hosts: readonly H[], sizes: readonly (number | string)[]): H[][] {
  const batches: H[][] = [];
  for (let begun = 0, item = 0; begun < hosts.length; item += 1) {
    const size = sizeOf(sizes[Math.min(item, sizes.length - 1)] ?? 0, hosts.length) || hosts.length;
    batches.push(hosts.slice(begun, begun + size));
    begun += size;
  }
  return batches;
}

function sizeOf(item: number | string, count: number): number {
  const text = String(item);
  if (!text.endsWith("%")) return Number(text);
  return Math.floor((Number(text.slice(0, -1)) / 100) * count) || 1;
}

/** The hosts in the order in which batches are cut; they come in that of the play's pattern. */
export function inOrderOf<H extends { readonly name: string }>(hosts: readonly H[], order: Order): H[] {
  switch (order) {
    case "inventory":
      return [...hosts];
    case "reverse":
      return [...hosts].reverse();
    case "sorted":
      return [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1));
    case "shuffle":
      return shuffled(hosts);
  }
}

/** Fisher and Yates. */
function shuffled<H>(hosts: readonly H[]): H[] {
  const all = [...hosts];
  for (let i = all.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [all[i], all[j]] = [all[j] as H, all[i] as H];
  }
  return all;
}

/** When a roll ends before its last batch. */
export interface FailurePolicy {
  /** A batch may lose so many of its hosts in percent; more than that ends the roll. Unreachable hosts count. */
  maxFailPercentage?: number;
  /** Any host that fails ends the roll, once its batch has come to rest. */
  anyErrorsFatal?: boolean;
  /** Not even a batch that failed whole ends the roll. */
  continueOnFailure?: boolean;
}

/** A percentage of hosts that may fail; an error names what is none. */
export function parsePercentage(value: unknown, where: string): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && number >= 0 && number <= 100) return number;
  throw new CausewayError(
    where.startsWith("--") ? "usage" : "playbook",
    `${where} is not a percentage of hosts`,
    {
      found: String(value) || "nothing",
      expected: "a number from 0 to 100",
    },
  );
}

/** Why a roll ends after a batch in which so many hosts failed; undefined when it goes on. */
export function whyStop(failed: number, size: number, policy: FailurePolicy): string | undefined {
  if (failed === 0) return undefined;
  const { maxFailPercentage: most, anyErrorsFatal, continueOnFailure } = policy;
  const lost = `${failed} of ${size} ${size === 1 ? "host" : "hosts"} failed or could not be reached`;
  if (anyErrorsFatal)
    return `${lost}, and any error is fatal (--any-errors-fatal, or anyErrorsFatal of the play)`;
  if (most !== undefined && (failed / size) * 100 > most)
    return `${lost}, more than ${most} percent (--max-fail-percentage, or maxFailPercentage of the play)`;
  if (failed === size && !continueOnFailure)
    return "every host of the batch failed or could not be reached; --continue-on-failure goes on with the next one";
  return undefined;
}
