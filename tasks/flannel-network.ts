import {
  CausewayError,
  Cidr,
  defineTask,
  Ipv4,
  later,
  type PlanItem,
  type Script,
  type Static,
  type Step,
  sh,
  step,
  Type,
} from "causeway";
import { askLeases, type PeerLease, parseLeases } from "./flannel-peers/leases.ts";

const params = Type.Object(
  {
    endpoint: Type.String({ description: "an etcd member's URL, as this host reaches it" }),
    prefix: Type.String({ pattern: "^(/[\\w.-]+)+$", description: "the folder of flannel's keys in etcd" }),
    network: Cidr({ description: "the network that contains the subnets of all hosts" }),
    subnet_len: Type.Integer({
      minimum: 8,
      maximum: 30,
      description: "the prefix length of one host's subnet",
    }),
    backend: Type.Union([Type.Literal("udp"), Type.Literal("vxlan"), Type.Literal("host-gw")], {
      description: "how packets travel between the hosts",
    }),
    left: Type.Optional(
      Type.Array(Ipv4(), { description: "the addresses of hosts that left: their leases are given back" }),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** etcd keeps two stores, and a key written through one API is invisible through the other. */
type Api = "2" | "3";

interface Store {
  /** Whether this etcd answers in that API; 3.4 and 3.5 may have v2 switched off, 3.6 has none. */
  answers: boolean;
  /** The key's text; empty when there is none. */
  value: string;
  said: string;
}

type State = Record<Api, Store> & {
  /** The leases of hosts that left. */
  leases: readonly PeerLease[];
};

/**
 * What flanneld reads at its start: the network, the length of a subnet, the backend. flannel up to 0.17 looks through
 * etcd's API v2, newer ones through v3: the key is written wherever this etcd answers.
 */
export const flannelNetwork = defineTask({
  name: "flannel-network",
  summary: "flannel's network configuration in etcd",
  params,
  key: ({ prefix }) => prefix,
  scope: "fleet",
  settles: "30s",
  read: async (host, wanted): Promise<State> => {
    const { endpoint, prefix, left = [] } = wanted;
    const endpoints = left.length > 0 ? [endpoint] : [];
    const [v2, v3, leases] = await Promise.all([
      host.read(get("2", wanted), { looksAt: ["shared:etcd", "package", "unit:etcd.service"] }),
      host.read(get("3", wanted), { looksAt: ["shared:etcd", "package", "unit:etcd.service"] }),
      host.read(askLeases({ endpoints, prefix }), {
        looksAt: ["shared:etcd", "package", "unit:etcd.service"],
      }),
    ]);
    const absent = /Key not found/.test(v2.stderr);
    return {
      "2": { answers: v2.code === 0 || absent, value: v2.stdout.trim(), said: v2.stderr.trim() },
      "3": { answers: v3.code === 0, value: v3.stdout.trim(), said: v3.stderr.trim() },
      leases: parseLeases(leases.stdout).filter(({ address }) => left.includes(address)),
    };
  },
  present: (stores, wanted): readonly PlanItem[] => {
    refuseNarrowNetwork(wanted);
    if (!stores["2"].answers && !stores["3"].answers)
      return [later(`etcd at ${wanted.endpoint} does not answer: ${lastLine(stores["3"].said)}`)];
    const apis = (["2", "3"] as const).filter((api) => stores[api].answers);
    return [
      ...apis
        .filter((api) => !says(stores[api].value, wanted))
        .map((api) => write(api, stores[api].value, wanted)),
      ...stores.leases.map((lease) => giveBack(lease, apis, wanted)),
    ];
  },
});

function etcdctl(api: Api, { endpoint }: Params): Script {
  const patience = api === "2" ? sh`--total-timeout 5s` : sh`--command-timeout 5s`;
  return sh`ETCDCTL_API=${api} etcdctl --endpoints ${endpoint} ${patience}`;
}

function get(api: Api, wanted: Params): Script {
  const flags = api === "3" ? sh`--print-value-only` : sh``;
  return sh`${etcdctl(api, wanted)} get ${flags} ${`${wanted.prefix}/config`}`;
}

function put(api: Api, value: string, wanted: Params): Script {
  return sh`${etcdctl(api, wanted)} ${api === "2" ? "set" : "put"} ${`${wanted.prefix}/config`} ${value}`;
}

function write(api: Api, before: string, wanted: Params): Step {
  const { network, subnet_len, backend, prefix } = wanted;
  const value = JSON.stringify({ Network: network, SubnetLen: subnet_len, Backend: { Type: backend } });
  const remove = sh`${etcdctl(api, wanted)} ${api === "2" ? "rm" : "del"} ${`${prefix}/config`}`;
  return step.run({
    what: `etcd key ${prefix}/config (API v${api})`,
    from: before || null,
    to: value,
    do: put(api, value, wanted),
    done: sh`[ "$(${get(api, wanted)})" = ${value} ]`,
    undo: unlessGone(before ? put(api, before, wanted) : remove, wanted),
    touches: ["shared:etcd"],
  });
}

/** It would stand for a day, and the others would go on sending to it. A host that comes back takes a new one. */
function giveBack({ subnet, address }: PeerLease, apis: readonly Api[], wanted: Params): Step {
  const key = `${wanted.prefix}/subnets/${subnet.replace("/", "-")}`;
  const gone = apis.map((api) => {
    const flags = api === "3" ? sh`--print-value-only` : sh``;
    return sh`[ -z "$(${etcdctl(api, wanted)} get ${flags} ${key} 2>/dev/null)" ]`;
  });
  const done = gone.reduce((all, one) => sh`${all} && ${one}`);
  const removals = apis.map(
    (api) => sh`${etcdctl(api, wanted)} ${api === "2" ? "rm" : "del"} ${key} >/dev/null 2>&1; `,
  );
  return step.run({
    what: `lease ${subnet}`,
    from: `of ${address}, which left`,
    to: null,
    do: removals.reduceRight((rest, one) => sh`${one}${rest}`, done),
    done,
    undo: sh`true`,
    touches: ["shared:etcd"],
  });
}

/**
 * The key may be gone by then, alone or with the etcd that had it: one that this host kept, and that was taken off it since. An
 * etcd that is down is still this host's, and an error.
 */
function unlessGone(undo: Script, { endpoint }: Params): Script {
  const address = new URL(endpoint).hostname;
  return sh`said=$(${undo} 2>&1) && exit 0
case $said in *'Key not found'*) exit 0 ;; esac
if ip -o -4 addr show | grep -qF ${` ${address}/`} && ! systemctl is-enabled -q etcd.service 2>/dev/null; then exit 0; fi
printf '%s\n' "$said" >&2; exit 1`;
}

/** Whether a configuration says what is wanted, in whatever spelling, with flannel's own defaults. */
function says(text: string, { network, subnet_len, backend }: Params): boolean {
  try {
    const {
      Network,
      SubnetLen = 24,
      Backend,
    } = JSON.parse(text) as {
      Network?: string;
      SubnetLen?: number;
      Backend?: { Type?: string };
    };
    return Network === network && SubnetLen === subnet_len && (Backend?.Type ?? "udp") === backend;
  } catch {
    return false;
  }
}

/** flannel gives away neither the first subnet nor more than there are. */
function refuseNarrowNetwork({ network, subnet_len }: Params): void {
  const prefix = Number(network.split("/")[1]);
  if (subnet_len >= prefix + 2) return;
  throw new CausewayError("variables", `${network} is too small for subnets of /${subnet_len}`, {
    found: `flannel_network ${network}, flannel_subnet_len ${subnet_len}`,
    expected: `a subnet length of at least ${prefix + 2}`,
  });
}

function lastLine(text: string): string {
  return text.split("\n").at(-1) ?? "";
}
