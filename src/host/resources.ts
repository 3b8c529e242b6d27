/**
 * What a read looked at, or a step touches: `file:/etc/docker/daemon.json`, `route`, `unit:docker`, `docker`; a part
 * after a colon narrows it down. `*` is everything, and `shared` what several hosts see (a store).
 */
export type Resource = string;

/** Whether something that touches `a` can have changed what a read of `b` saw. */
export function related(a: Resource, b: Resource): boolean {
  if (a === "*" || b === "*" || a === b) return true;
  return a.startsWith(`${b}:`) || b.startsWith(`${a}:`);
}

/** Whether any of the one list is related to any of the other. */
export function anyRelated(touched: readonly Resource[], looked: readonly Resource[]): boolean {
  return touched.some((t) => looked.some((l) => related(t, l)));
}
