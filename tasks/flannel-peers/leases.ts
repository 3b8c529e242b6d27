import { type Script, sh } from "causeway";

/** What a flanneld tells the others of itself. */
export interface PeerLease {
  /** `192.168.81.0/24`. */
  subnet: string;
  /** Where its host is reached. */
  address: string;
  backend: string;
  /** Of the far end of a vxlan tunnel; a recreated device has another one. */
  mac: string | undefined;
}

/**
 * The leases as the first member that answers shows them, a JSON document a line, and other lines for an API that it
 * has not. flannel up to 0.17 keeps them in etcd's API v2, newer ones in v3, whose JSON gateway lies below /v3 since
 * etcd 3.4, and below /v3beta in 3.3 (etcd's page "Why gRPC gateway").
 */
export function askLeases({ endpoints, prefix }: { endpoints: readonly string[]; prefix: string }): Script {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  // Every key that begins so comes before the one that ends in 0, the character after a slash.
  const range = { key: base64(`${prefix}/subnets/`), range_end: base64(`${prefix}/subnets0`) };
  const body = JSON.stringify(range);
  return sh`ask() {
  v2="$1/v2/keys"${`${prefix}/subnets?recursive=true`} v3="$1/v3/kv/range" v3beta="$1/v3beta/kv/range"
  if command -v curl >/dev/null; then
    set -- -s --connect-timeout 1 -m 3 -w '\n'
    curl "$@" "$v2" --next "$@" -d ${body} "$v3" --next "$@" -d ${body} "$v3beta"
  else
    set -- -q -T 3 -t 1 -O -
    wget "$@" "$v2"; for api in "$v3" "$v3beta"; do wget "$@" --post-data ${body} "$api"; echo; done
  fi
}
for url in ${endpoints}; do
  said=$(ask "$url" 2>/dev/null)
  case $said in *[!\ ]*) printf '%s\n' "$said"; break ;; esac
done`;
}

/** Takes the answers apart; what is not a lease of flannel's is left out. */
export function parseLeases(text: string): PeerLease[] {
  return text.split("\n").flatMap((line) => {
    const said = parsed(line) as V2 & V3;
    const keys = [
      ...(said.node?.nodes ?? []),
      ...(said.kvs ?? []).map(({ key, value }) => ({ key: decoded(key), value: decoded(value) })),
    ];
    return keys.flatMap(({ key, value }) => leaseOf(key, value));
  });
}

interface V2 {
  node?: { nodes?: { key: string; value: string }[] };
}

/** Keys and values in base64. */
interface V3 {
  kvs?: { key: string; value: string }[];
}

/** `/atomic.io/network/subnets/192.168.81.0-24`, and what flanneld wrote there. */
function leaseOf(key: string, value: string): PeerLease[] {
  const [, network, length] = /\/([\d.]+)-(\d+)$/.exec(key) ?? [];
  const { PublicIP, BackendType, BackendData } = parsed(value) as {
    PublicIP?: string;
    BackendType?: string;
    BackendData?: { VtepMAC?: string } | null;
  };
  if (network === undefined || PublicIP === undefined) return [];
  const mac = BackendData?.VtepMAC?.toLowerCase();
  // That of udp says no type.
  return [{ subnet: `${network}/${length}`, address: PublicIP, backend: BackendType || "udp", mac }];
}

/** An object, empty where the text is not one: etcd says in plain words which path it has not. */
function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function decoded(base64: string): string {
  return Buffer.from(base64, "base64").toString();
}
