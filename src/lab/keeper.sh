#!/bin/sh
# Keeps one lab host running: keeper.sh MACHINE HOSTNAME HOSTFOLDER NETNS CGROUP. It outlives whoever started it; a reboot from
# inside ends systemd-nspawn with code 133, and the host is started again from the same disk.
name=$1 hostname=$2 folder=$3 netns=$4 cgroup=$5

enter_cgroups() {
  for hierarchy in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$cgroup" || continue
    # A new cpuset is empty until it is given its parent's.
    if [ -e "$hierarchy/cpuset.mems" ] && [ -e "$hierarchy/$cgroup/cpuset.mems" ]; then
      part=
      for step in $(printf %s "$cgroup" | tr / ' '); do
        above=$hierarchy/$part part=$part/$step
        cat "$above/cpuset.cpus" >"$hierarchy/$part/cpuset.cpus"
        cat "$above/cpuset.mems" >"$hierarchy/$part/cpuset.mems"
      done
    fi
    echo 0 >"$hierarchy/$cgroup/cgroup.procs"
  done 2>/dev/null
}

while [ ! -e "$folder/off" ]; do
  (
    enter_cgroups
    exec nsenter --net="$netns" systemd-nspawn --quiet --directory="$folder/root" --machine="$name" --hostname="$hostname" --boot \
      --register=no --keep-unit --capability=all --resolv-conf=off --timezone=off --link-journal=no --console=passive \
      --system-call-filter='add_key keyctl bpf' --bind=/dev/net/tun --bind="$folder/disk/docker:/var/lib/docker" \
      --network-bridge=br0
  )
  code=$?
  echo "$name ended with $code"
  [ $code = 133 ] || break
done
