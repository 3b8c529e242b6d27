import { join } from "node:path";
import { beforeAll, describe, expect } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { cellsOf, doneBy, full, idle, inFull, useLab } from "./support.ts";

const lab = useLab("test-busy", 53, 2);

/** Three networks of a compose project, 20 containers that run and 180 that do not, libvirt's bridge, ufw that is off, and 3,000 rules. */
const inUse = `for net in front back db; do
  docker network create --label com.docker.compose.project=shop --label com.docker.compose.network=$net shop_$net >/dev/null || exit 1
done
for i in $(seq 20); do
  set -- front back db; shift $((i % 3))
  docker run -d --restart=always --label com.docker.compose.project=shop --network shop_$1 --name up$i busybox sleep 1000000 >/dev/null || exit 1
done
for i in $(seq 180); do docker create --name old$i --network shop_front busybox true >/dev/null || exit 1; done
ip link add virbr0 type bridge && ip addr add 192.168.122.1/24 dev virbr0 && ip link set virbr0 up || exit 1
mkdir -p /etc/ufw && echo ENABLED=no >/etc/ufw/ufw.conf
{ echo '*filter'; echo ':THEIRS - [0:0]'
  for i in $(seq 0 2999); do echo "-A THEIRS -s 203.0.$((i / 250)).$((i % 250 + 1))/32 -m comment --comment \\"theirs $i\\" -j DROP"; done
  echo '-A INPUT -j THEIRS'; echo COMMIT; } | iptables-restore --noflush`;

/** What of it is there, without what a restart may change. */
const there = `docker ps -a --format '{{.Names}} {{.State}} {{.Networks}}' | sort
docker network ls --filter label=com.docker.compose.project=shop --format '{{.Name}}' | sort
docker network inspect -f '{{.Name}} {{range .IPAM.Config}}{{.Subnet}}{{end}}' shop_front shop_back shop_db
ip -o -4 addr show dev virbr0 | awk '{ print $2, $4 }'; cat /etc/ufw/ufw.conf
iptables-save -t filter | grep -c '^-A THEIRS '; iptables-save -t filter | grep '^-A THEIRS ' | sha256sum`;

const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");
const vars = {
  interrupt_containers: true,
  flannel_binary,
  flannel_network: "10.77.0.0/16",
  overlay_store: "etcd",
};
const inventory = () => lab.inventory({ vars, groups: { etcd: [lab.names[0] ?? ""] } });
const all = () => Promise.all(lab.names.map((host) => lab.must(host, there)));

describe
  .runIf(full)
  .sequential("hosts with 200 containers, three networks, libvirt's bridge and 3,000 rules", () => {
    let before: string[] = [];
    beforeAll(async () => {
      await Promise.all(lab.names.map((host) => lab.must(host, inUse)));
      before = await all();
      expect(before[0]).toMatch(/^3000$/m);
      expect(before[0]?.match(/ running /g)).toHaveLength(20);
    });

    for (const scheme of ["static-route", "flannel", "macvlan", "overlay", "static-route"])
      inFull(`lose nothing of it to ${scheme}, whose second run changes nothing`, async () => {
        const { code, events, stderr } = await lab.events(`playbooks/${scheme}.ts`, [], inventory());
        expect(code, stderr).toBe(0);
        expect(cellsOf(events).filter(({ ok }) => ok).length).toBeGreaterThan(0);
        expect(await all()).toEqual(before);
        const began = Date.now();
        const again = await lab.events(`playbooks/${scheme}.ts`, ["--no-verify"], inventory());
        console.info(`${scheme}: a run that changes nothing took ${Date.now() - began} ms`);
        expect(doneBy(again)).toEqual(idle(lab.names));
      });

    inFull("nor to the reset", async () => {
      const { code, stderr } = await lab.events("playbooks/reset.ts", [], inventory());
      expect(code, stderr).toBe(0);
      expect(await all()).toEqual(before);
    });
  });
