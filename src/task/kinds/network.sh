# network NAME: a Docker network with its options, and the containers attached to it with their addresses.

# Prints the network as the words that would create it; nothing when there is none. A daemon or store that does not
# answer is an error, never "absent".
cw_network_words() (
  cw_found=$(docker network ls --no-trunc -q --filter "name=^$1\$") || exit 1
  [ -n "$cw_found" ] || exit 0
  cw_text=$(docker network inspect -f '--driver
{{.Driver}}
{{if .EnableIPv6}}--ipv6
{{end}}{{if ne .IPAM.Driver "default"}}--ipam-driver
{{.IPAM.Driver}}
{{end}}{{range $key, $value := .IPAM.Options}}--ipam-opt
{{$key}}={{$value}}
{{end}}{{range .IPAM.Config}}{{if .Subnet}}--subnet
{{.Subnet}}
{{end}}{{if .Gateway}}--gateway
{{.Gateway}}
{{end}}{{if .IPRange}}--ip-range
{{.IPRange}}
{{end}}{{range $name, $address := .AuxAddress}}--aux-address
{{$name}}={{$address}}
{{end}}{{end}}{{range $key, $value := .Options}}--opt
{{$key}}={{$value}}
{{end}}{{range $key, $value := .Labels}}--label
{{$key}}={{$value}}
{{end}}{{if .Internal}}--internal
{{end}}{{if .Attachable}}--attachable
{{end}}' $cw_found) || exit 1
  printf '%s\n' "$cw_text" | sed '/^$/d'
)

# The containers on it, running or stopped: name, address or -, and aliases; Docker adds the container's id by itself.
# An address that Docker chose, rather than somebody who asked for it, ends in a question mark.
cw_network_members() (
  docker ps -aq --filter "network=$1" | while read -r cw_id; do
    docker inspect -f "{{.Name}} {{with index .NetworkSettings.Networks \"$1\"}}{{\$ip := \"-\"}}{{with .IPAddress}}{{\$ip = print . \"?\"}}{{end}}{{with .IPAMConfig}}{{with .IPv4Address}}{{\$ip = .}}{{end}}{{end}}{{\$ip}}{{range .Aliases}} {{.}}{{end}}{{end}}" "$cw_id" | sed "s/ $cw_id\( \|\$\)/\1/"
  done | sed 's,^/,,'
)

cw_network_token() {
  cw_now=$(cw_network_words "$1") || return 1
  printf '%s .\n' "$cw_now" | tr '\n' ' '
}

cw_network_save() {
  cw_network_words "$1" >"$B.before" && { [ ! -s "$B.before" ] || cw_network_members "$1" >"$B.before.members"; }
}

cw_network_restore() (
  cw_now=$(cw_network_words "$1") || exit 1
  [ "$cw_now" != "$(cat "$B.before")" ] || exit 0
  cw_network_drop "$1" || exit 1
  [ ! -s "$B.before" ] || cw_network_make "$1" "$B.before" "$B.before.members"
)

# cw_network_make NAME WORDSFILE MEMBERSFILE
cw_network_make() (
  cw_name=$1 cw_words=$2 cw_members=$3
  set --
  while IFS= read -r cw_word; do set -- "$@" "$cw_word"; done <"$cw_words"
  docker network create "$@" "$cw_name" || exit 1
  [ ! -s "$cw_members" ] || while read -r cw_container cw_ip cw_aliases; do
    # One that its owner has removed since has no place to come back to.
    [ -n "$(docker ps -aq --filter "name=^/?$cw_container\$")" ] || continue
    set --
    for cw_alias in $cw_aliases; do set -- "$@" --alias "$cw_alias"; done
    case $cw_ip in
      -) ;;
      # Where the network has no room for what Docker had chosen, it chooses anew.
      *\?) ! docker network connect "$@" --ip "${cw_ip%?}" "$cw_name" "$cw_container" 2>/dev/null || continue ;;
      *) set -- "$@" --ip "$cw_ip" ;;
    esac
    docker network connect "$@" "$cw_name" "$cw_container" || exit 1
  done <"$cw_members"
)

# cw_network_drop NAME: its containers are taken off first.
cw_network_drop() (
  cw_now=$(cw_network_words "$1") || exit 1
  [ -n "$cw_now" ] || exit 0
  cw_network_members "$1" | while read -r cw_container cw_rest; do
    docker network disconnect -f "$1" "$cw_container" || exit 1
  done || exit 1
  docker network rm "$1"
)

# cw_network_put NAME WORDS: as asked, one word a line; the containers of the one before come along.
cw_network_put() (
  cw_network_members "$1" >"$B.members" 2>/dev/null
  cw_network_drop "$1" || exit 1
  printf '%s\n' "$2" >"$B.words"
  cw_network_make "$1" "$B.words" "$B.members" || exit 1
  rm -f "$B.words" "$B.members"
)
