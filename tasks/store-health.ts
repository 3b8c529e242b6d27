import {
  CausewayError,
  defineProbe,
  Ipv4,
  type Matrix,
  type MatrixCell,
  type ProbeHost,
  type Script,
  type Static,
  sh,
  Type,
} from "causeway";

const params = Type.Object(
  {
    store: Type.Union([Type.Literal("etcd"), Type.Literal("consul")], { description: "which store it is" }),
    members: Type.Array(
      Type.Object({ name: Type.String(), address: Ipv4() }, { additionalProperties: false }),
      { minItems: 1, description: "the hosts that keep it, by name and address: consul's servers" },
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;
type Member = Params["members"][number];

/** What one member says of the whole cluster. */
interface Answer {
  /** Why it gave none; empty where it did. */
  refused: string;
  /** The addresses of the members that it knows. */
  listed: readonly string[];
  /** Those of them that are well, as this member finds them now. */
  well: readonly string[];
  /** What another one said instead, by address. */
  said: ReadonlyMap<string, string>;
}

/**
 * Proves that a store has its quorum, and that no member of it is away: each member knows all members, and finds each of
 * them well. Of etcd each member is asked from each for a read that only a quorum answers, which also shows that it has
 * caught up; its APIs v2 and v3 rest on the same quorum. Of consul each server is asked for the voters, which the leader
 * answers, and for who is alive. As the gate between two members that are changed it looks at all of them, not only at those.
 */
export const storeHealth = defineProbe({
  name: "store-health",
  summary: "A store has its quorum, seen through each of its members",
  params,
  run: async (hosts, wanted, run): Promise<Matrix> => {
    const { store, members } = wanted;
    const asked = members.flatMap((member) => hosts.find(({ name }) => name === member.name) ?? []);
    if (asked.length === 0)
      throw new CausewayError("verify", `no member of ${store} could be asked, and nothing is proved`, {
        expected: `one of ${members.map(({ name }) => name).join(", ")} in this run`,
      });
    run.say(`asking ${asked.length} of ${members.length} members of ${store} for all of them`);
    const rows = await Promise.all(asked.map((host) => row(host, wanted)));
    const missing = members.filter(({ name }) => !asked.some((host) => host.name === name));
    return {
      title: `members of ${store}, found well by each`,
      hosts: members.map(({ name }) => name),
      cells: rows.flat(),
      notes: missing.map(({ name }) => `not asked: ${name}, because it is not in this run, or failed`),
    };
  },
});

async function row(host: ProbeHost, { store, members }: Params): Promise<MatrixCell[]> {
  const { ask, read, look } = stores[store];
  const { code, stdout, stderr } = await host.sh(ask(members));
  const answer = read(code, stdout, stderr);
  return members.map((to) => judge(host.name, to, answer, { store, command: look(to) }));
}

/** One member as another one finds it. */
function judge(
  from: string,
  { name: to, address }: Member,
  { refused, listed, well, said }: Answer,
  { store, command }: { store: Params["store"]; command: string },
): MatrixCell {
  const because = refused
    ? `${store} on ${from} gives no list of its members: ${refused}`
    : !listed.includes(address)
      ? `${store} on ${from} does not know ${to} (${address}) as a member`
      : well.includes(address)
        ? undefined
        : `${store} on ${to} is not well: ${said.get(address) ?? "no answer"}`;
  const cell = { from, to, expected: "reachable" } as const;
  if (because === undefined) return { ...cell, ok: true, lossPercent: 0 };
  return { ...cell, ok: false, lossPercent: 100, cause: because, command };
}

interface Store {
  ask: (members: readonly Member[]) => Script;
  read: (code: number, stdout: string, stderr: string) => Answer;
  /** What a person looks at one member with. */
  look: (member: Member) => string;
}

const etcdctl = sh`ETCDCTL_API=3 etcdctl --command-timeout 3s --endpoints`;

const stores: Readonly<Record<Params["store"], Store>> = {
  etcd: {
    // `endpoint health` is a linearizable read through that member.
    ask: (members) => sh`${etcdctl} http://127.0.0.1:2379 member list || exit
for address in ${members.map(({ address }) => address)}; do
  echo "-- $address"
  said=$(${etcdctl} "http://$address:2379" endpoint health 2>&1) && echo well || printf '%s\n' "$said"
done`,
    read: (code, stdout, stderr) => {
      const [list = "", ...each] = stdout.split(/^-- /m);
      const answers = each.map((text): [string, string] => {
        const [address = "", ...said] = text.trim().split("\n");
        return [address, said.at(-1) ?? ""];
      });
      return {
        refused: code === 0 ? "" : lastLine(stderr) || `exit code ${code}`,
        // `8e9e05c52164694d, started, docker-200, http://10.0.0.200:2380, http://10.0.0.200:2379`
        listed: list.split("\n").flatMap((line) => /, started, .*?:\/\/([\d.]+):/.exec(line)?.[1] ?? []),
        well: answers.flatMap(([address, said]) => (said === "well" ? [address] : [])),
        said: new Map(answers),
      };
    },
    look: ({ address }) => `ETCDCTL_API=3 etcdctl --endpoints http://${address}:2379 endpoint health`,
  },
  consul: {
    ask: () => sh`timeout 5 consul operator raft list-peers || exit
echo --; timeout 5 consul members -status=alive`,
    read: (code, stdout, stderr) => {
      const [peers = "", alive = ""] = stdout.split("--\n");
      return {
        refused: code === 0 ? "" : lastLine(stderr) || `exit code ${code}`,
        // `docker-200  9f1c…  10.0.0.200:8300  leader  true  3`: the last but one says whether it votes.
        listed: addressesOf(peers.split("\n").filter((line) => /\strue\s+\d+\s*$/.test(line))),
        well: addressesOf(alive.split("\n")),
        said: new Map(
          addressesOf(peers.split("\n")).map((address) => [address, "not alive among consul's members"]),
        ),
      };
    },
    look: () => "consul operator raft list-peers; consul members",
  },
};

function addressesOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /\s([\d.]+):\d+\s/.exec(line)?.[1] ?? []);
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
