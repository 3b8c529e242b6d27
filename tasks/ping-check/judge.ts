import type { MatrixCell } from "causeway";
import type { Evidence } from "./evidence.ts";
import { overheadOf } from "./outer.ts";
import { type Ends, keyOf } from "./pairs.ts";
import { isTried, type Pair, type Tried, type TriedPair } from "./pings.ts";
import type { Verdict, Wire } from "./wire.ts";

/** What a pair is judged by. */
export interface Judged {
  source: "preserved" | "any";
  wire?: Wire | undefined;
  /** The pairs of which something else is expected. */
  pairs?: readonly (Ends & { expected: MatrixCell["expected"] })[] | undefined;
}

/** How a pair came out, without the cause where that has to be looked for. */
export function judge(pair: Pair, wanted: Judged, evidence?: Evidence): MatrixCell {
  const [from, to] = [pair.from.host.name, pair.to.host.name];
  const expected = wanted.pairs?.find((p) => p.from === from && p.to === to)?.expected ?? "reachable";
  const cell = { from, to, expected, ok: false, lossPercent: pair.tried?.loss ?? 100 };
  if (!isTried(pair)) return cell;
  const { loss, rtt, caller, resolved } = pair.tried;
  const reached = { ...cell, ...(rtt === undefined ? {} : { rttMs: rtt }) };
  if (expected === "unreachable") return apart(reached, pair.tried);
  const preserved = caller === undefined ? undefined : caller === pair.from.address;
  const { largest, whole } = sizeOf(pair, wanted.wire);
  const verdict = evidence?.verdicts.get(keyOf({ from, to }));
  const named = resolved === undefined ? undefined : resolved === pair.to.address;
  const works = loss === 0 && (wanted.source === "any" || preserved === true) && whole && named !== false;
  return {
    ...reached,
    ok: works && verdict?.ok !== false,
    ...(caller === undefined ? {} : { sourceSeen: caller }),
    ...(preserved === undefined ? {} : { sourcePreserved: preserved }),
    ...(largest === undefined ? {} : { largestPacket: largest }),
    ...(named === undefined ? {} : { nameResolved: named }),
    ...(verdict === undefined ? {} : { evidence: { ok: verdict.ok, seen: verdict.seen } }),
    ...(works && verdict?.ok === false ? wrongOnTheWire(verdict, pair) : {}),
  };
}

/** Two that have to be kept apart; a ping that could not be tried proves nothing, least of all that. */
function apart(cell: MatrixCell, { loss, caller }: Tried): MatrixCell {
  if (loss === 100 && caller === undefined) return { ...cell, ok: true };
  const cause =
    loss === undefined ? "the ping could not be tried" : "reached, although it is to be kept apart";
  return { ...cell, cause, command: "iptables -vnL FORWARD" };
}

/**
 * The largest packet that crosses in one piece, as far as that is known already, and whether it is the one that the
 * interface inside promises. What does not fit the network below is cut in pieces by a tunnel, and arrives all the same.
 */
function sizeOf(
  { from, to, tried }: TriedPair,
  wire: Wire | undefined,
): { largest?: number; whole: boolean } {
  if (tried.promised === undefined || tried.loss === 100) return { whole: true };
  if (!tried.crossed) return { whole: false };
  const below = from.ways.get(to.host.name)?.mtu ?? Number.POSITIVE_INFINITY;
  const fits = wire?.tunnel ? below - overheadOf(wire.tunnel, from.host.name, to.host.name) : tried.promised;
  return { largest: Math.min(tried.promised, fits), whole: tried.promised <= fits };
}

function wrongOnTheWire({ seen, without }: Verdict, { from, to }: TriedPair) {
  const missing = seen.includes("is not installed");
  const full = seen.includes("no space left");
  return {
    cause: `evidence: ${seen}`,
    command: missing
      ? "apt-get install tcpdump"
      : full
        ? "df -h /tmp"
        : `tcpdump -ni any host ${to.address} or host ${from.address}`,
    ...(without === undefined || without === from.host.name ? {} : { commandOn: without }),
  };
}
