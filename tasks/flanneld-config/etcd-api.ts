import { CausewayError, type Script, sh, versionParts } from "causeway";
import type { Params } from "./params.ts";

/** What the first member that answers says of itself; nothing is known where this host cannot ask. */
export interface StoreAnswer {
  /** `3.3.25`; empty when none answered, or when there is neither curl nor wget to ask with. */
  version: string;
  /** It said that it has no API v2: etcd answers such a path as any other that is not there. */
  withoutV2: boolean;
}

/** Asks as flanneld will: from this host. */
export function askStore({ endpoints, prefix }: Pick<Params, "endpoints" | "prefix">): Script {
  return sh`ask() {
  if command -v curl >/dev/null; then curl -s -m 2 "$1"; else wget -q -T 2 -t 1 --content-on-error -O - "$1" 2>/dev/null; fi
}
for url in ${endpoints}; do
  version=$(ask "$url/version" | tr -d '\n ')
  [ -n "$version" ] || continue
  echo "$version"; ask "$url/v2/keys"${`${prefix}/config`}; exit 0
done`;
}

export function storeAnswer(text: string): StoreAnswer {
  const [first = "", ...rest] = text.split("\n");
  return {
    version: /"etcdserver":"([^"]+)"/.exec(first)?.[1] ?? "",
    withoutV2: rest.join("").startsWith("404 page not found"),
  };
}

/** `v0.13.0`, `0.7.1`, `v0.20.2-dirty` → `0.13.0`; undefined for what says no version, such as a build of one's own. */
export function versionOf(said: string): string | undefined {
  return /(?:^|[\sv])(\d+\.\d+\.\d+)/.exec(said)?.[1];
}

/**
 * Which of etcd's APIs a flanneld speaks: v2 up to 0.17, v3 from 0.18 on, never both (flannel's release notes of 0.18.0).
 * A key written through one is invisible through the other.
 */
export function apiOf(version: string): "v2" | "v3" {
  const [major = 0, minor = 0] = versionParts(version);
  return major === 0 && minor < 18 ? "v2" : "v3";
}

/** A flanneld and an etcd that can never speak to each other; what is not known is no reason to refuse. */
export function refusePair(version: string | undefined, store: StoreAnswer): void {
  if (version === undefined || store.version === "") return;
  const api = apiOf(version);
  const [major = 0, minor = 0] = versionParts(store.version);
  if (api === "v2" ? !store.withoutV2 : major >= 3) return;
  const without = major === 3 && minor < 6 ? "its API v2 switched off" : "no API v2";
  throw new CausewayError("host", `flannel ${version} cannot read from this etcd`, {
    found: `etcd ${store.version}${api === "v2" ? `, ${without}` : ""}`,
    expected: api === "v2" ? "etcd's API v2, the only one that flannel up to 0.17 speaks" : "etcd 3 or newer",
    restsOn: ["unit:etcd.service"],
    advice:
      api === "v2"
        ? "give a flanneld of 0.18 or newer, or an etcd up to 3.5 with ETCD_ENABLE_V2=true"
        : "upgrade etcd, or give a flanneld up to 0.17",
  });
}
