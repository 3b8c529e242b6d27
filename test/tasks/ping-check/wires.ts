import { schemes } from "../../../playbooks/schemes/index.ts";
import type { Wire } from "../../../tasks/ping-check/wire.ts";

/** A scheme's wire by its name. */
export function wireOf(name: string): Wire {
  const found = schemes.flatMap(({ wires }) => wires).find((wire) => wire.name === name);
  if (!found) throw new Error(`no scheme has the wire ${name}`);
  return found;
}
