import { consequenceWords, isFetched, isLater, isOwed, type PlanItem } from "../../src/task/step.ts";

/** A plan as a person reads it, one line an item: what the tables of the task tests compare. */
export function planWords(items: readonly PlanItem[]): string[] {
  return items.map((item) => {
    if (isLater(item)) return `later: ${item.later}`;
    if (isOwed(item)) return `owed: ${consequenceWords(item.owed)} (${item.why})`;
    if (isFetched(item)) return `${item.what}: ${item.from ?? "—"} → ${item.to}`;
    const causes = item.causes.map(consequenceWords);
    const then = causes.length > 0 ? ` ⇒ ${causes.join(", ")}` : "";
    return `${item.what}: ${item.from ?? "—"} → ${item.to ?? "—"}${then}`;
  });
}
