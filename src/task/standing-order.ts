/**
 * Members of a set as they go into a file or onto a command line: in the order in which they stand there already, where they
 * are the same ones, or else sorted. So the inventory's order changes no file, and restarts no daemon.
 */
export function inStandingOrder(wanted: readonly string[], now: readonly string[] = []): readonly string[] {
  const sorted = [...new Set(wanted)].sort();
  return [...now].sort().join("\n") === sorted.join("\n") ? now : sorted;
}
