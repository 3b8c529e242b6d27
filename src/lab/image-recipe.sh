#!/bin/sh
# Makes a lab's root image: image-recipe.sh FOLDER [MIRROR], and in the environment, as src/lab/images.ts names them: SUITE, DOCKER,
# PACKAGES, LOCAL, and DOCKER_OF where Docker is another suite's. What it holds is the baseline of every lab host: Docker installed,
# enabled and unconfigured; nothing that could run a playbook on the host; and, as a local repository, the packages that tasks
# install although a lab host has no way out.
set -eu
folder=$1 mirror=${2:-}

packages=systemd,systemd-sysv,dbus,docker.io,iptables,iproute2,openssh-server,sudo,tcpdump,iputils-ping,curl,busybox-static,procps,kmod,ca-certificates,unzip
for package in $PACKAGES; do packages=$packages,$package; done

# Docker of another suite, and all else of this one: beside each other as sources of apt, told apart by pins. The other suite may be
# one that is still being made, whose archive is older than its own promise when the mirror is a copy.
prefer_docker_of() {
  cat <<END
sed -i '/ $SUITE main/{p;s/ $SUITE main/ $DOCKER_OF main/}' "\$1/etc/apt/sources.list"
mkdir -p "\$1/etc/apt/preferences.d"
printf '%s\n' 'Package: *' 'Pin: release n=$DOCKER_OF' 'Pin-Priority: 100' '' \
  'Package: docker.io docker-cli containerd runc tini tini-static' 'Pin: release n=$DOCKER_OF' 'Pin-Priority: 990' \
  >"\$1/etc/apt/preferences.d/docker"
END
}

# shellcheck disable=SC2016
mmdebstrap --mode=root --variant=apt --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/gcc/*' \
  ${DOCKER_OF:+--aptopt='Acquire::Check-Valid-Until "false"' --setup-hook="$(prefer_docker_of)"} \
  --customize-hook="mkdir -p \"\$1/srv/packages/partial\"; APT_CONFIG=\"\$MMDEBSTRAP_APT_CONFIG\" apt-get --yes --download-only -o Dir::Cache::archives=\"\$1/srv/packages\" install $LOCAL" \
  "$SUITE" "$folder/root" ${mirror:+"deb $mirror $SUITE main"}

cd "$folder/root"
rm -rf srv/packages/partial srv/packages/lock
for deb in srv/packages/*.deb; do
  dpkg-deb -f "$deb"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${deb##*/}" "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
done >srv/packages/Packages
echo 'deb [trusted=yes] file:/srv/packages ./' >etc/apt/sources.list
rm -rf etc/apt/sources.list.d/* etc/apt/preferences.d/* var/lib/apt/lists/* etc/apt/apt.conf.d/*mmdebstrap*
mkdir -p var/lib/apt/lists/partial
chroot . apt-get -q update -o APT::Sandbox::User=root

# What is in it, for people who choose among images.
# shellcheck disable=SC2016
{
  chroot . dpkg-query -W -f '${Package} ${Version}\n'
  for deb in srv/packages/*.deb; do dpkg-deb -W --showformat '${Package} ${Version}\n' "$deb"; done
} >"$folder/packages"
docker=$(sed -n 's/^docker.io //p' "$folder/packages")
case $docker in
  "$DOCKER"*) ;;
  *)
    echo "the archive has Docker $docker for ${DOCKER_OF:-$SUITE}, and the image is to have Docker ${DOCKER}x" >&2
    exit 1
    ;;
esac

# Hosts bring their own identity and key.
rm -f etc/ssh/ssh_host_* etc/docker/key.json
: >etc/machine-id
cat >etc/ssh/sshd_config.d/lab.conf <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
MaxStartups 1000
END

for user in ops ops-nopass; do chroot . useradd -m -s /bin/sh -G sudo "$user"; done
printf 'ops:ops\nops-nopass:ops\n' | chroot . chpasswd
echo 'ops-nopass ALL=(ALL) NOPASSWD: ALL' >etc/sudoers.d/ops-nopass
chmod 440 etc/sudoers.d/ops-nopass

cat >usr/local/sbin/lab-network <<'END'
#!/bin/sh
read -r address gateway </etc/lab-network || exit 0
ip addr replace "$address" dev host0
ip link set host0 up
ip route replace default via "$gateway"
END
cat >usr/local/sbin/lab-cgroup <<'END'
#!/bin/sh
# On cgroup v1 the container's hierarchies are mounted read-only; Docker has to write below its own.
for hierarchy in /sys/fs/cgroup/*/; do
  [ -e "$hierarchy/cgroup.procs" ] && mount -o remount,bind,rw "$hierarchy"
done
true
END
chmod 755 usr/local/sbin/lab-network usr/local/sbin/lab-cgroup
for name in network cgroup; do
  cat >etc/systemd/system/lab-$name.service <<END
[Unit]
Description=Lab $name
DefaultDependencies=no
Before=network.target containerd.service docker.service ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-$name
[Install]
WantedBy=sysinit.target
END
  chroot . systemctl -q enable lab-$name.service
done
chroot . systemctl -q enable docker.service docker.socket ssh.service
chroot . systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer man-db.timer console-getty.service getty.target getty@tty1.service systemd-timesyncd.service \
  systemd-networkd.service systemd-resolved.service systemd-networkd-wait-online.service

mkdir -p "$folder/busybox/bin"
cp bin/busybox "$folder/busybox/bin/busybox"
for applet in $(bin/busybox --list); do
  [ "$applet" = busybox ] || ln -s busybox "$folder/busybox/bin/$applet"
done
mkdir -p "$folder/busybox/tmp"
tar -C "$folder/busybox" -c -f "$folder/busybox.tar" .
rm -rf "$folder/busybox"
