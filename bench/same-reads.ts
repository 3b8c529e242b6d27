/** The five reads of bench/reads.ts as plain commands, for the bare loop and for Ansible's raw. */
export const fiveReads = [
  "stat -L -c '%a %u %g %s' /etc/hostname && sha256sum </etc/hostname && cat /etc/hostname",
  "ip -4 route show table main",
  "ip -o -4 addr show",
  "ip -o -d link show",
  "cat /proc/sys/net/ipv4/ip_forward",
];

/** What playbooks/static-route.ts looks at on a host of three, as plain commands. */
export const staticRouteReads = [
  "cat /etc/docker/daemon.json 2>/dev/null; true",
  "ip -o -4 addr show",
  "docker version -f '{{.Server.Version}}' && docker network ls && docker ps -a",
  "systemctl show -p LoadState,ActiveState,SubState docker.service",
  "ip -4 route show table main",
  "cat /etc/causeway/routes/* /etc/causeway/rules/* 2>/dev/null; true",
  "iptables-save",
  "cat /proc/sys/net/ipv4/ip_forward",
  "cat /proc/sys/kernel/hostname",
  "systemctl cat docker.service",
  "cat /proc/[0-9]*/comm 2>/dev/null | grep -xE 'consul|etcd|flanneld'; true",
  "command -v firewalld && systemctl is-active firewalld; grep -s '^ENABLED=yes' /etc/ufw/ufw.conf; true",
];
