/** What Docker's log says of the gossip (serf, port 7946) by which the Dockers of overlay networks before 23 find each other. */
export interface SerfState {
  /**
   * For how many seconds this Docker has been up without having met another one, although it looked for one; undefined
   * where it met one, looked for none, or no longer has in its log what it said at its start.
   *
   * It calls those that the store knows when it starts, and none of them again: libnetwork's `nodeJoin` in
   * drivers/overlay/ov_serf.go. Dockers that start together may all be called too early, and one of them stays alone,
   * until it is started again or a later one calls it.
   */
  aloneFor?: number;
}

/** Parses when Docker started, what time it is, both in seconds, and whom it saw join, itself included. */
export function parseSerf(text: string): SerfState {
  const [times = "", ...lines] = text.trim().split("\n");
  const [since, now] = times.split(" ").map(Number);
  const joined = lines.flatMap((line) => /EventMemberJoin: \S+ ([\d.]+)/.exec(line)?.[1] ?? []);
  if (since === undefined || now === undefined || new Set(joined).size !== 1) return {};
  return { aloneFor: now - since };
}
