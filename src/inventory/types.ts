import type { CausewayError, Position } from "../errors.ts";
import type { ConnectionTarget } from "../host/session.ts";
import type { LabSpec } from "../lab/types.ts";
import type { Unread } from "./unread.ts";

/** A variable's value and where it was written. */
export interface Variable {
  value: unknown;
  at?: Position;
  /** What of it is no value yet, if there is such: a template, a vault. */
  unread?: Unread;
}

/** Something that a person should know, and where it stands. */
export interface Remark {
  text: string;
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
  /** What is wrong with its connection variables: an error once the host takes part. */
  readonly faults: readonly CausewayError[];
  /** What of its connection variables is read otherwise than in Ansible. */
  readonly remarks: readonly Remark[];
  /** Where the winning value of a variable was written. */
  whereIs(variable: string): Position | undefined;
  /** What of a variable's value cannot be used. */
  unread(variable: string): Unread | undefined;
  /** Whether it is from a vault, a pipe or a program: shown nowhere. */
  isSecret(variable: string): boolean;
  readonly at?: Position;
}

export interface Inventory {
  readonly paths: readonly string[];
  /** In the order in which they were first named. */
  readonly hosts: readonly InventoryHost[];
  readonly groups: ReadonlyMap<string, InventoryGroup>;
  /** What was found on reading it that a person should know. */
  readonly remarks: readonly Remark[];
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
