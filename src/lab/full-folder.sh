# A folder of a lab host on whose file system nothing is free: its content is copied to one in memory that takes its place.
# full-folder.sh fill FOLDER | empty FOLDER
do=$1 folder=$2 beside=/run/lab-full
set -e

case $do in
  fill)
    size=$(du -skx "$folder" | cut -f 1)
    mkdir -p "$beside"
    mount -t tmpfs -o "size=$((size + size / 4 + 1024))k,mode=$(stat -c %a "$folder")" lab-full "$beside"
    cp -a -x "$folder/." "$beside"
    # What is mounted below it stays reachable, and as it is.
    while read -r _ at _; do
      case $at in "$folder"/*) mount --rbind "$at" "$beside${at#"$folder"}" ;; esac
    done </proc/self/mounts
    mount --rbind "$beside" "$folder"
    dd if=/dev/zero of="$folder/.lab-full" bs=4k 2>/dev/null || true
    ;;
  empty)
    # A reboot has taken it away.
    mountpoint -q "$beside" || exit 0
    rm -f "$beside/.lab-full"
    # What is mounted below goes from here only, not from where it was before.
    mount --make-rprivate "$beside"
    if mountpoint -q "$folder"; then
      mount --make-rprivate "$folder"
      umount -R -l "$folder"
    fi
    while read -r _ at _; do
      case $at in "$beside"/*) umount -l "$at" ;; esac
    done </proc/self/mounts
    # What was written meanwhile, and then what went away meanwhile.
    cp -a -x "$beside/." "$folder"
    cd "$folder"
    find . -xdev -depth ! -path . | while read -r path; do
      [ -e "$beside/$path" ] || [ -L "$beside/$path" ] || rm -rf "$path"
    done
    umount -l "$beside"
    rmdir "$beside"
    ;;
esac
