import { CausewayError } from "../errors.ts";
import { type OtherIptables, type Rules, rulesIn } from "../host/tools/iptables.ts";

/**
 * Refuses a host whose other backend of iptables has rules of causeway's: somebody switched it since. The kernel applies
 * them as well, and no run and no undo reaches them any more.
 */
export function refuseOtherIptables(other: OtherIptables | undefined): void {
  const ours = other?.rules.rules.find(
    ({ chain, comment = "" }) => chain.startsWith("CAUSEWAY-") || comment.startsWith("causeway:"),
  );
  if (!other || !ours) return;
  throw inBoth(
    `rules of causeway's are in the other iptables of this host, ${other.tool}`,
    `-t ${ours.table} -A ${ours.chain} ${ours.spec}`,
    other,
  );
}

/** Refuses one that lets nothing of containers through, whatever the host's own iptables accepts. */
export function refuseClosedForward(other: OtherIptables | undefined): void {
  const closed = other && closedBy(other.rules);
  if (!other || closed === undefined) return;
  throw inBoth(`the other iptables of this host, ${other.tool}, drops what is forwarded`, closed, other);
}

function inBoth(message: string, found: string, { tool }: OtherIptables): CausewayError {
  const flush = `${tool} -P FORWARD ACCEPT; for table in filter nat; do ${tool} -t $table -F; ${tool} -t $table -X; done`;
  return new CausewayError("host", message, {
    found: `${tool}: ${found}`,
    expected: "rules in one of the two backends of iptables alone: the kernel applies those of both",
    command: `${tool}-save`,
    advice: `see what is in it: ${tool}-save; if nobody needs that: ${flush}`,
  });
}

/** With Docker's chains of before, or without a rule that accepts anything, a closed FORWARD lets nothing of ours through. */
function closedBy(rules: Rules): string | undefined {
  const forward = rulesIn(rules, "filter", "FORWARD").map(({ spec }) => spec);
  const end = forward.find((spec) => /^-j (DROP|REJECT)\b/.test(spec));
  const by = end ?? (rules.policies.get("filter FORWARD") === "DROP" ? "policy DROP" : undefined);
  if (by === undefined) return undefined;
  const ofDocker = rules.policies.has("filter DOCKER-USER");
  return ofDocker || !forward.some((spec) => /-j ACCEPT\b/.test(spec)) ? `FORWARD ${by}` : undefined;
}
