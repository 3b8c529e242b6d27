import type { Position } from "../errors.ts";

/** One host as playbooks see it. */
export interface HostView<V = Readonly<Record<string, unknown>>, F = Readonly<Record<string, unknown>>> {
  readonly name: string;
  /** Where the runner reaches it: `ansible_host`, or its name. */
  readonly address: string;
  readonly groups: readonly string[];
  readonly vars: V;
  /** Where the inventory, or `-e`, gives this host a variable; undefined for a default. */
  readonly whereIs?: (variable: string) => Position | undefined;
  /** Where the inventory names this host. */
  readonly at?: Position;
  /** What was read of the host before the first step. Asking for it defers the play until it was read. */
  readonly facts: F;
}

/** A host that leaves: what others know it by. */
export interface LeavingHost<V = Readonly<Record<string, unknown>>> extends Omit<HostView<V>, "facts"> {
  /** Whether it is gone for good, and only its peers are left to forget it. */
  readonly dead: boolean;
}

type Names = Pick<ReadonlySet<string>, "has">;

/** All hosts that a playbook names, those outside `--limit` included: a peer is a peer although this run leaves it alone. */
export class Fleet<V = Readonly<Record<string, unknown>>, F = Readonly<Record<string, unknown>>> {
  readonly hosts: readonly HostView<V, F>[];
  /** Hosts that `run remove` takes out of the fleet; they are none of its `hosts` any more. */
  readonly leaving: readonly LeavingHost<V>[];
  readonly #reached: () => Names;
  #byName: ReadonlyMap<string, HostView<V, F>> | undefined;

  constructor(
    hosts: readonly HostView<V, F>[],
    reached: () => Names = () => new Set<string>(),
    leaving: readonly LeavingHost<V>[] = [],
  ) {
    this.hosts = hosts;
    this.leaving = leaving;
    this.#reached = reached;
  }

  /** The hosts that answered and whose facts are known. */
  get reached(): readonly HostView<V, F>[] {
    const reached = this.#reached();
    return this.hosts.filter((h) => reached.has(h.name));
  }

  peersOf(host: { readonly name: string }): readonly HostView<V, F>[] {
    return this.hosts.filter((h) => h.name !== host.name);
  }

  /** The hosts of a group, in the inventory's order; none for a group that does not exist. */
  group(name: string): readonly HostView<V, F>[] {
    return name === "all" ? this.hosts : this.hosts.filter((h) => h.groups.includes(name));
  }

  host(name: string): HostView<V, F> | undefined {
    this.#byName ??= new Map(this.hosts.map((h) => [h.name, h]));
    return this.#byName.get(name);
  }
}
