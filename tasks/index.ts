/** The door of the tasks: playbooks anywhere import them from "causeway/tasks". */

export { consulAgent } from "./consul-agent.ts";
export { dockerBip } from "./docker-bip.ts";
export { dockerdClusterStore } from "./dockerd-cluster-store.ts";
export { etcdInstall } from "./etcd-install.ts";
export { file } from "./file.ts";
export { flannelNetwork } from "./flannel-network.ts";
export { flannelPeers } from "./flannel-peers.ts";
export { flanneldConfig } from "./flanneld-config.ts";
export { iptablesForward } from "./iptables-forward.ts";
export { lines } from "./lines.ts";
export { macvlanNet } from "./macvlan-net.ts";
export { macvlanShim } from "./macvlan-shim.ts";
export { overlayNet } from "./overlay-net.ts";
export { packages } from "./package.ts";
export { peerPorts } from "./peer-ports.ts";
export { pingCheck } from "./ping-check.ts";
export { staticRoute } from "./static-route.ts";
export { storeHealth } from "./store-health.ts";
export { sysctl } from "./sysctl.ts";
export { type Template, template } from "./template.ts";
export { unit } from "./unit.ts";
export { wireguardInstall } from "./wireguard-install.ts";
export { wireguardKey } from "./wireguard-key.ts";
export { wireguardLink } from "./wireguard-link.ts";
