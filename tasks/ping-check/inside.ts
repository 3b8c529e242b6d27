import { sh } from "causeway";
import type { ProbeContainer } from "./containers.ts";

/** A script that a container runs for each of its peers, and how long that takes for one of them at most. */
export interface Work {
  script: string;
  seconds: number;
  /** How many peers it is run for at a time. */
  atOnce: number;
}

/** Until Docker has started the one process of a container, and its shell all that it runs at a time, one after the other. */
const slack = 20;

/** How many seconds a container needs at most for so many peers; what is not done by then is ended. */
export function secondsFor(peers: number, { seconds, atOnce }: Omit<Work, "script">): number {
  return Math.ceil(peers / atOnce) * seconds + slack;
}

/** What might hang is killed after so many seconds. */
export const capSeconds = 3;

/**
 * One shell for all peers, which are dealt to so many others; each of these writes what the script says of a peer at once,
 * so that no answer is mixed with another. They begin within a second, not all at once: every ping of a container is handed
 * the packets of all the others, in a buffer that holds about ten, and loses its own where it is not fast enough. `$cap` ends
 * what might hang; busybox has `timeout` in this form since 1.30.
 */
export const forEach = `one=$1 lanes=$2; shift 2
cap=; timeout 1 true 2>/dev/null && cap='timeout ${capSeconds}'; export cap
lane=0
while [ $lane -lt $lanes ]; do
  (at=0; later=$((1000 + lane * 1000 / lanes)); sleep "0.\${later#1}" 2>/dev/null
  for words; do
    [ $((at % lanes)) != $lane ] || { said=$(sh -c "$one" sh $words 2>&1); printf '@peer %s\\n%s\\n' $at "$said"; }
    at=$((at + 1))
  done) &
  lane=$((lane + 1))
done
wait`;

/** Runs a script in a container for each of its peers, a few at a time, all by one process of Docker's. */
export async function inEach(
  { id, host }: ProbeContainer,
  peers: readonly ProbeContainer[],
  { script, ...limits }: Work,
  argumentsFor: (peer: ProbeContainer) => readonly (string | number)[],
): Promise<string[]> {
  if (peers.length === 0) return [];
  const lanes = Math.min(limits.atOnce, peers.length);
  const seconds = secondsFor(peers.length, limits);
  const words = peers.map((peer) => argumentsFor(peer).join(" "));
  const { stdout, stderr, code } = await host.sh(
    sh`timeout -k 2 ${seconds} docker exec ${id} sh -c ${forEach} sh ${script} ${lanes} ${words}`,
    { timeoutMs: (seconds + 30) * 1000 },
  );
  const answers = readAnswers(stdout, peers.length);
  const why = code === 0 ? "" : wordsOf(stderr || stdout);
  return why === "" ? answers : answers.map((answer) => answer || `@failed ${why}`);
}

/** What Docker says when it cannot run anything there: a full disk, for one. Its last line has it. */
function wordsOf(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}

/** Parses what the peers' scripts said; empty for a peer of whom nothing came. */
export function readAnswers(text: string, peers: number): string[] {
  const answers = new Map(
    text
      .split(/^@peer /m)
      .slice(1)
      .map((part) => [Number.parseInt(part, 10), part.slice(part.indexOf("\n") + 1)] as const),
  );
  return Array.from({ length: peers }, (_, index) => answers.get(index) ?? "");
}
