import type { Position } from "../errors.ts";
import type { ConnectionTarget } from "../host/session.ts";
import type { LabSpec } from "../lab/types.ts";

/** A variable's value and where it was written. */
export interface Variable {
  value: unknown;
  at?: Position;
}

/** One host with everything that the inventory says of it. */
export interface InventoryHost {
  readonly name: string;
  /** All its groups, those above them included, without `all`. */
  readonly groups: readonly string[];
  /** Merged by Ansible's precedence; connection variables included. */
  readonly vars: Readonly<Record<string, unknown>>;
  readonly connection: ConnectionTarget;
  /** Where the winning value of a variable was written. */
  whereIs(variable: string): Position | undefined;
  readonly at?: Position;
}

export interface Inventory {
  readonly paths: readonly string[];
  /** In the inventory's order. */
  readonly hosts: readonly InventoryHost[];
  readonly groups: ReadonlyMap<string, InventoryGroup>;
  readonly lab?: LabSpec;
}

/** A group as it was written; several mentions of one name are one group. */
export interface InventoryGroup {
  name: string;
  /** Its own hosts, without those of its children. */
  hosts: Set<string>;
  children: Set<string>;
  vars: Map<string, Variable>;
  at?: Position;
}
