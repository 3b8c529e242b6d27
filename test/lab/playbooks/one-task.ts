import { definePlaybook, type HostView, sh, type TaskInstance, Type } from "causeway";
import {
  command,
  consulAgent,
  dockerBip,
  dockerContainer,
  dockerdClusterStore,
  dockerNetwork,
  etcdInstall,
  fetch,
  file,
  flanneldConfig,
  flannelNetwork,
  iptablesForward,
  lines,
  macvlanNet,
  macvlanShim,
  overlayNet,
  packages,
  peerPorts,
  staticRoute,
  swarmNet,
  swarmNode,
  sysctl,
  template,
  unit,
  user,
  waitFor,
  wireguardInstall,
  wireguardKey,
  wireguardLink,
} from "causeway/tasks";

const vars = Type.Object({
  task: Type.String({ description: "the one to be tried" }),
  stand_in: Type.Optional(Type.String({ description: "flanneld, as a file of this machine" })),
  folder: Type.String({ description: "a folder of this machine, for what is fetched" }),
});

type Host = HostView<{ stand_in?: string; folder: string }, unknown>;

const flannel = {
  network: "172.30.0.0/16",
  subnet_len: 24,
  backend: "vxlan",
  prefix: "/row/network",
} as const;
const macvlan = { name: "row", subnet: "172.16.10.0/24", gateway: "172.16.10.1" };

/** Each task with parameters that suit a host alone, and the rows that have to stand before it. */
const rows: Readonly<Record<string, { needs?: readonly string[]; task: (host: Host) => TaskInstance }>> = {
  "docker-bip": {
    task: () => dockerBip({ bip: "192.168.77.1/24", direct_routing: true }),
  },
  "static-route": {
    task: ({ address }) =>
      staticRoute({ name: "row", routes: [{ to: "192.168.78.0/24", via: neighbour(address) }] }),
  },
  "iptables-forward": {
    task: () =>
      iptablesForward({ own: "192.168.77.0/24", peers: ["192.168.78.0/24"], comment: "causeway:row" }),
  },
  "etcd-install": {
    task: ({ name, address }) =>
      etcdInstall({
        name,
        members: [{ name, address }],
        clients: [address],
        data_dir: "/var/lib/etcd/causeway",
        comment: "causeway:row",
      }),
  },
  "flannel-network": {
    needs: ["etcd-install"],
    task: ({ address }) => flannelNetwork({ endpoint: `http://${address}:2379`, ...flannel }),
  },
  "flanneld-config": {
    needs: ["etcd-install", "flannel-network"],
    task: ({ address, vars: { stand_in } }) =>
      flanneldConfig({
        endpoints: [`http://${address}:2379`],
        address,
        ...flannel,
        ...(stand_in === undefined ? {} : { binary: stand_in }),
        comment: "causeway:row",
      }),
  },
  "peer-ports": {
    task: ({ address }) =>
      peerPorts({ tcp: [7001, 7002], from: [neighbour(address)], comment: "causeway:row" }),
  },
  "macvlan-net": { task: () => macvlanNet({ ...macvlan, ip_range: "172.16.10.0/25", parent: "host0" }) },
  "macvlan-shim": {
    needs: ["macvlan-net"],
    task: () =>
      macvlanShim({
        network: macvlan.name,
        address: "172.16.10.126",
        ip_range: "172.16.10.0/25",
        name: "macvlan-shim",
      }),
  },
  "swarm-node": {
    task: ({ address }) =>
      swarmNode({
        address,
        role: "manager",
        start: { data_port: 4789, pool: "10.200.0.0/16", prefix: 24 },
      }),
  },
  "swarm-net": { needs: ["swarm-node"], task: () => swarmNet({ name: "row", subnet: "10.199.0.0/24" }) },
  "consul-agent": {
    task: ({ name, address }) =>
      consulAgent({
        name,
        address,
        server: true,
        servers: [address],
        clients: [address],
        ui: false,
        data_dir: "/var/lib/consul/causeway",
        comment: "causeway:row",
      }),
  },
  "dockerd-cluster-store": {
    needs: ["consul-agent"],
    task: ({ address }) =>
      dockerdClusterStore({
        store: "consul://127.0.0.1:8500",
        address,
        api: "closed",
      }),
  },
  "overlay-net": {
    needs: ["consul-agent", "dockerd-cluster-store"],
    task: () => overlayNet({ name: "row", subnet: "10.0.77.0/24", part: "make" }),
  },
  file: {
    task: () =>
      file({
        path: "/etc/systemd/system/row.service",
        content: "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
        owner: "root:root",
        mode: "640",
        reloads: ["ssh"],
      }),
  },
  fetch: {
    task: ({ name, vars: { folder } }) => fetch({ path: "/etc/hostname", to: `${folder}/${name}/hostname` }),
  },
  template: {
    task: ({ name }) =>
      template({
        path: "/opt/row/greeting",
        text: (v: { name: string }) => `I am ${v.name}\n`,
        vars: { name },
      }),
  },
  lines: {
    task: () =>
      lines({
        path: "/etc/login.defs",
        lines: [{ line: "UMASK 027", insteadOf: "^UMASK" }, "# the row"],
        without: ["^ERASECHAR"],
      }),
  },
  "wireguard-install": { task: () => wireguardInstall({ implementation: "wireguard-go" }) },
  "wireguard-key": { needs: ["wireguard-install"], task: () => wireguardKey({ name: "row" }) },
  "wireguard-link": {
    needs: ["wireguard-install", "wireguard-key"],
    task: ({ address }) =>
      wireguardLink({
        name: "row",
        implementation: "wireguard-go",
        address: "192.168.77.1/24",
        port: 7003,
        mtu: 1380,
        keepalive: 0,
        peers: [
          {
            name: "nobody",
            public_key: `${"A".repeat(43)}=`,
            endpoint: `${neighbour(address)}:7003`,
            subnets: ["192.168.78.0/24"],
          },
        ],
      }),
  },
  package: { task: () => packages({ names: ["etcd-client"] }) },
  unit: { needs: ["file"], task: () => unit({ name: "row", enabled: true, active: true }) },
  sysctl: { task: () => sysctl({ key: "net.ipv4.conf.all.log_martians", value: 1 }) },
  user: {
    task: () =>
      user({
        name: "row",
        create_home: true,
        groups: ["adm", "users"],
        shell: "/bin/sh",
        comment: "The row",
      }),
  },
  command: {
    task: () =>
      command({
        name: "the row's mark",
        do: sh`mkdir /opt/row && echo done >/opt/row/mark`,
        creates: "/opt/row/mark",
        undo: sh`rm -rf /opt/row`,
      }),
  },
  "wait-for": { needs: ["command"], task: () => waitFor({ path: "/opt/row/mark", timeout: "5s" }) },
  "docker-network": {
    task: () =>
      dockerNetwork({ name: "row", driver: "bridge", subnet: "172.29.77.0/24", labels: { row: "1" } }),
  },
  "docker-container": {
    needs: ["docker-network"],
    task: () =>
      dockerContainer({
        name: "row",
        image: "busybox",
        command: ["sh", "-c", "echo 'two words'; exec sleep 3600"],
        env: { ROW: "a b $c" },
        network: "row",
        address: "172.29.77.7",
        ports: ["127.0.0.1:7777:7777"],
        restart: "unless-stopped",
      }),
  },
};

export const rowNames = Object.keys(rows);

/** An address on the host's own link, of which nothing is asked but that a route may go there. */
function neighbour(address: string): string {
  return address.replace(/\d+$/, "1");
}

const playOf = (row: string) => ({
  title: row,
  hosts: "docker",
  tasks: (host: Host & { vars: { task: string } }) =>
    row === host.vars.task || rows[host.vars.task]?.needs?.includes(row)
      ? [rows[row]?.task(host)].flatMap((t) => t ?? [])
      : [],
});

export default definePlaybook({
  name: "one-task",
  summary: "One task alone, after whatever it cannot do without",
  vars,
  plays: rowNames.map(playOf),
});
