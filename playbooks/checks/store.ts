import {
  CausewayError,
  defineFact,
  type Fleet,
  givenAddress,
  type HostView,
  type KnownHost,
  ownCommand,
  type Remark,
  together,
} from "causeway";

/** Where a host's own configuration says which hosts keep the store: files, and what of their text holds the addresses. */
export interface StoreConfig {
  files: readonly string[];
  pattern: RegExp;
}

/** The addresses at which a host asks the store, as causeway set it up; none on a host that is new. */
export function storeFact<V>(config: (vars: V) => StoreConfig) {
  return defineFact({
    name: "store",
    read: async (host, { vars }: KnownHost<V>): Promise<readonly string[]> => {
      const { files, pattern } = config(vars);
      const contents = await Promise.all(files.map((path) => host.file(path)));
      const said = contents.map(({ content }) => pattern.exec(content)?.[0] ?? "").join(" ");
      return said.match(/\d+(?:\.\d+){3}/g) ?? [];
    },
  });
}

/** Whether the service that keeps the store runs on a host for this playbook; another one's is undone before it begins. */
export function storeRunsFact<V>(service: (vars: V) => string, playbook: string) {
  return defineFact({
    name: "storeRuns",
    read: async (host, { vars, standing }: KnownHost<V>): Promise<boolean> => {
      const [unit, steps] = await Promise.all([host.unit(service(vars)), standing]);
      return unit.active === "active" && steps.some(({ owner }) => owner === playbook);
    },
  });
}

/**
 * Where most of its members do not run there is no quorum to keep, and one that starts alone waits for the others. Nothing where
 * there is one: then one member after the other leaves it.
 */
export function withoutQuorum<V, F extends { storeRuns: boolean }>(
  fleet: Fleet<V, F>,
  members: readonly { readonly name: string }[],
): string | undefined {
  const run = fleet.reached.filter(
    ({ name, facts }) => facts.storeRuns && members.some((member) => member.name === name),
  );
  return run.length * 2 > members.length ? undefined : "its members wait for each other";
}

/**
 * The hosts that keep the store: the inventory's group of its name. Without such a group one host of Docker keeps it: the one
 * that the hosts ask already, or else the first, so that another order of the inventory moves nothing.
 */
export function storeHosts<V, F extends { store: readonly string[] }>(
  fleet: Fleet<V, F>,
  group: string,
): readonly HostView<V, F>[] {
  const named = fleet.group(group);
  if (named.length > 0) return named;
  const asking = new Map<string, number>();
  for (const address of fleet.reached.flatMap(({ facts }) => facts.store))
    asking.set(address, (asking.get(address) ?? 0) + 1);
  const by = ({ address }: { readonly address: string }) => asking.get(address) ?? 0;
  return fleet
    .group("docker")
    .toSorted((a, b) => by(b) - by(a))
    .slice(0, 1);
}

/**
 * Another store than the one that the hosts ask would begin empty, and they would follow it. That is to be decided, not to
 * follow from a line that moved, or from a host that left. Hosts that ask the old one follow once others ask the new one.
 */
export function movedStore<V, F extends { store: readonly string[] }>(
  fleet: Fleet<V, F>,
  group: string,
): CausewayError[] {
  const servers = storeHosts(fleet, group);
  const asking = fleet.reached.filter(({ facts }) => facts.store.length > 0);
  const isAsked = ({ address }: { readonly address: string }) =>
    asking.some(({ facts }) => facts.store.includes(address));
  if (asking.length === 0 || servers.some(isAsked)) return [];
  const keepers = fleet.leaving.filter(isAsked).map(({ name }) => name);
  if (keepers.length > 0)
    return [
      new CausewayError("host", `no other host keeps the ${group} that ${keepers.join(", ")} has`, {
        found: asking.map(({ name, facts }) => `${name} asks ${facts.store.join(", ")}`).join("; "),
        expected: "hosts that stay, and keep what all of them ask for",
        advice: `keep ${keepers.join(", ")}; to begin anew elsewhere: ${ownCommand("reset")} on all hosts, then this playbook on those that stay`,
      }),
    ];
  return [
    new CausewayError("host", `the hosts use another ${group} than the inventory names`, {
      found: asking.map(({ name, facts }) => `${name} asks ${facts.store.join(", ")}`).join("; "),
      expected: `${group} on ${servers.map(({ name, address }) => `${name} (${address})`).join(", ")}`,
      advice: `keep ${group} where it is: its host in the inventory, and in the group ${group} if there is one; to start again with an empty one: ${ownCommand("reset")} on these hosts, then this playbook`,
    }),
  ];
}

/** The members of a store that leave it, with the hosts that leave the fleet; nothing where none does. */
export function leavingStore<V, F>(
  { leaving }: Fleet<V, F>,
  group: string,
): { leaving?: { name: string; address: string }[] } {
  const members = leaving.filter(({ groups }) => groups.includes(group));
  return members.length > 0 ? { leaving: members.map(({ name, address }) => ({ name, address })) } : {};
}

/** Of two members, one that is lost stops both: no store is begun so. */
export function newStoreOfTwo<V, F extends { store: readonly string[] }>(
  fleet: Fleet<V, F>,
  group: string,
): CausewayError[] {
  const members = fleet.group(group);
  if (members.length !== 2 || fleet.reached.some(({ facts }) => facts.store.length > 0)) return [];
  return [
    new CausewayError("inventory", `${group} with two members stops when either is lost`, {
      ...together(...members.map(givenAddress)),
      expected: `one member, or three or more, in the group ${group}`,
      advice: `add a host to the group ${group}, or remove one from it`,
    }),
  ];
}

/** What is left of three when one was taken out goes on, and says so. */
export function storeOfTwo<V, F>(fleet: Fleet<V, F>, group: string): Remark[] {
  const members = fleet.group(group);
  if (members.length !== 2) return [];
  return [
    {
      text: `${group} has two members, ${members.map(({ name }) => name).join(" and ")}: it stops when either is lost`,
    },
  ];
}

/** An even number is not wrong, but the last one buys nothing. */
export function evenMembers<V, F>(fleet: Fleet<V, F>, group: string): Remark[] {
  const { length } = fleet.group(group);
  if (length < 4 || length % 2 === 1) return [];
  const lost = length / 2 - 1;
  const text = `${group} with ${length} members goes on when ${lost} of them ${lost === 1 ? "is" : "are"} lost, which it does with ${length - 1}, too; with ${length + 1} it goes on without ${lost + 1}`;
  return [{ level: "info", text }];
}
