import { type ProbeHost, type Script, sh } from "causeway";
import { namelessWords } from "../../tasks/ping-check/cause.ts";
import {
  type Cause,
  endsOf,
  type HostFacts,
  type PairFacts,
  shownBy,
  type Wire,
} from "../../tasks/ping-check/wire.ts";
import { commands, flagFind, flags, type Trace } from "../checks/traces.ts";
import { keysOf, networksOf, type Ran, type Running, type Scheme } from "./scheme.ts";
import { consulStarted, etcdOpen, etcdStarted } from "./stores.ts";

/** What is known of a Docker over a store on a host of a pair that failed. */
export interface OverlayState {
  /** The store as dockerd has it. */
  url: string;
  /** What it said when it was asked; empty when it answers. */
  trouble: string;
  /** How many of dockerd's threads are stuck in the namespace of a network that is gone, from which no store is reached. */
  stuck: number;
  /** Whether Docker has met no other one since it started, although it looked for one. */
  alone: boolean;
}

const wire: Wire<OverlayState> = {
  name: "overlay",
  routed: false,
  tunnel: { port: 4789, overhead: 50 },
  look: lookAt,
  first: (pair) => storeUnreachable(pair) ?? stuckWithoutContainer(pair),
  silent: alone,
  nameless,
};

/** Containers on an overlay network, with names across hosts. */
export function overlayOf(network: string): Ran {
  return { words: `overlay (${network})`, proof: () => ({ network, wire, names: true }) };
}

/** A host that had Docker's gateway network before holds nothing of the overlay network itself. */
function heldNetworks(on: Running): string[] {
  const held = keysOf(on, "overlay-net");
  return held.length > 0 || keysOf(on, "dockerd-cluster-store").length === 0
    ? held
    : networksOf(on, "overlay");
}

export const clusterStore: Trace = {
  finds: (byHand) => {
    const store = flags(byHand, /--cluster-(?:store|advertise)[= ]\S+/g);
    return store.length > 0 ? [flagFind("Docker uses a cluster store that causeway did not set", store)] : [];
  },
};

const openApi: Trace = {
  finds: (byHand) => {
    if (/--tls(?:verify|cacert)/.test(commands(byHand).at(-1)?.value ?? "")) return [];
    const api = flags(byHand, /(?:-H|--host)[= ]tcp:\/\/\S+/g);
    return api.length > 0
      ? [flagFind("Docker's API is open without TLS: anyone who can reach the port is root", api)]
      : [];
  },
};

export const overlay: Scheme = {
  name: "overlay",
  wires: [wire],
  held: ({ on }) => heldNetworks(on).map(overlayOf),
  shown: ({ on }) => networksOf(on, "overlay").map(overlayOf),
  processes: ["consul", "etcd"],
  traces: [clusterStore, openApi, consulStarted, etcdStarted, etcdOpen],
};

async function lookAt(
  host: ProbeHost,
  { label, image }: { label: string; image: string },
): Promise<OverlayState> {
  const [serf, store] = await Promise.all([
    host.reader.serf(),
    host.sh(storeState(label, image), { timeoutMs: 60_000 }),
  ]);
  const [stuck = "0", url = "", ...trouble] = store.stdout.trim().split("\n");
  return { url, trouble: trouble.join(" "), stuck: Number(stuck), alone: serf.aloneFor !== undefined };
}

/**
 * Asked from a container in the host's own network: hosts need neither curl nor wget. A thread of dockerd is where dockerd
 * is, in a namespace that Docker keeps under a name, or stuck (moby/libnetwork#1838).
 */
function storeState(label: string, image: string): Script {
  return sh`pid=$(systemctl show -p MainPID --value docker); stuck=0
here=" $(stat -Lc %i /proc/$pid/ns/net /run/docker/netns/* 2>/dev/null | tr '\n' ' ')"
for thread in /proc/$pid/task/*; do
  there=$(stat -Lc %i "$thread/ns/net" 2>/dev/null) || continue
  case $here in *" $there "*) ;; *) stuck=$((stuck + 1)) ;; esac
done
echo $stuck
url=$(timeout 20 docker info -f '{{.ClusterStore}}' 2>/dev/null) || exit 0
echo "$url"
at=\${url#*://}; at=\${at%%/*}; at=\${at%%,*}
[ -n "$at" ] || { echo 'dockerd has no cluster store'; exit 0; }
case $url in
  consul:*) path=v1/status/leader ;;
  etcd:*) path=health ;;
  *) exit 0 ;;
esac
said=$(timeout 30 docker run --rm --label ${label} --network host --userns host ${image} sh -c ${askHttp} sh "$at" "$path" 2>&1)
case $said in
  *'""'* | *'"health": "false"'* | *'"health":"false"'*) echo "it has no leader" ;;
  *' 200 '*) ;;
  *) printf '%s\n' "\${said:-it does not answer}" | head -n 1 ;;
esac`;
}

/** By nc, because a busybox that is linked statically cannot look up names, and its wget crashes over that. */
const askHttp = 'printf "GET /$2 HTTP/1.0\\r\\n\\r\\n" | nc -w 5 "${1%:*}" "${1##*:}"';

function storeUnreachable(pair: PairFacts<OverlayState>): Cause | undefined {
  const away = endsOf(pair).find(({ own }) => own !== undefined && own.trouble !== "");
  if (!away?.own) return undefined;
  const { url, trouble } = away.own;
  return {
    cause: `store unreachable: ${away.name} asked ${url || "for its store"}: ${trouble}`,
    ...shownBy("docker info | grep -i cluster; systemctl status consul etcd", away, pair),
  };
}

function stuckWithoutContainer(pair: PairFacts<OverlayState>): Cause | undefined {
  const without = endsOf(pair).find(({ unstarted = "" }) => /connect: /.test(unstarted));
  const stuck = without === undefined ? "" : stuckThreads(without);
  if (!without || stuck === "") return undefined;
  return {
    cause: `no container on ${without.name}: ${without.unstarted}${stuck}`,
    ...shownBy(seeThreads, without, pair),
  };
}

/** Then it knows no addresses of the others' containers, and they none of its own: nothing enters the tunnel. */
function alone(pair: PairFacts<OverlayState>): Cause | undefined {
  const end = endsOf(pair).find(({ own }) => own?.alone);
  if (!end || pair.tried?.loss !== 100) return undefined;
  return {
    cause: `Docker alone: Docker on ${end.name} connected to no other host's Docker when it started (TCP and UDP 7946): restart docker there`,
    ...shownBy("journalctl -u docker | grep serf", end, pair),
  };
}

/** A watch for names that began on a stuck thread is over for good, also when the thread has gone since. */
function nameless({ from, to, tried }: PairFacts<OverlayState>): Cause | undefined {
  if (tried?.resolved === undefined || tried.resolved === to.container || !from.own) return undefined;
  const words = namelessWords(to, tried.resolved);
  const stuck = stuckThreads(from);
  if (stuck !== "") return { cause: `${words}${stuck}`, command: seeThreads };
  const blind = `; Docker on ${from.name} learns no names of others (moby/libnetwork#1838): restart docker there`;
  return { cause: `${words}${blind}`, command: "journalctl -u docker -n 20" };
}

const seeThreads = "for t in /proc/$(pidof dockerd)/task/*; do readlink $t/ns/net; done | sort | uniq -c";

/** A fault of Docker's own before 23, which has no other cure than its restart. */
function stuckThreads({ name, own }: HostFacts<OverlayState>): string {
  if (!own?.stuck) return "";
  return `; ${own.stuck} threads of Docker on ${name} are stuck in the namespace of a network that is gone, from which they reach no store (moby/libnetwork#1838): restart docker there`;
}
