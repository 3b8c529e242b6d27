# network NAME: a Docker network with its options, and the containers attached to it with their addresses.

# Prints the network as the words that would create it; nothing when there is none. A daemon or store that does not
# answer is an error, never "absent".
cw_network_words() (
  cw_found=$(cw_network_id "$1") || exit 1
  [ -n "$cw_found" ] || exit 0
  cw_text=$(cw_docker network inspect -f '--driver
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

# A Docker older than 23 that has overlay networks may have threads that are stuck in the namespace of one that is gone,
# from which no store is reached (moby/libnetwork#1838): an error, or "No such network". Another try comes to another thread.
# A swarm's worker does not find a network that was made anew a moment ago, either (seen on 28.5.2).
cw_docker() {
  cw_tries=0
  until { cw_said=$(docker "$@" 2>&1 >&3 3>&-); cw_code=$?; } 3>&1; [ $cw_code = 0 ]; do
    case $cw_said in
      *'connect: connection refused'* | *'connect: network is unreachable'* | *'No such network'* | *'network '*' not found'*) cw_tries=$((cw_tries + 1)) ;;
      *) cw_tries=6 ;;
    esac
    [ $cw_tries -le 5 ] || { printf '%s\n' "$cw_said" >&2; return $cw_code; }
    sleep 0.5
  done
}

# cw_network_named NAME: its id. Docker's own filter is an expression, by which lan.10 is lan-10, too.
cw_network_named() (
  cw_all=$(docker network ls --no-trunc --format '{{.ID}} {{.Name}}') || exit 1
  printf '%s\n' "$cw_all" | while read -r cw_id cw_its; do
    [ "$cw_its" != "$1" ] || printf '%s\n' "$cw_id"
  done
)

# cw_network_id NAME: nothing when there is none. A Docker that could not ask its store shows none of its networks.
cw_network_id() (
  cw_found=$(cw_network_named "$1") || exit 1
  if [ -z "$cw_found" ] && [ -n "$(docker info -f '{{.ClusterStore}}' 2>/dev/null)" ]; then
    cw_store_answers || exit 1
    for cw_again in 1 2 3; do
      [ -z "$cw_found" ] || break
      sleep 0.3
      cw_found=$(cw_network_named "$1") || exit 1
    done
  fi
  printf %s "$cw_found"
)

# Whether the key-value store that Docker keeps its global networks in answers, if it has one. Without it docker says
# "No such network", and the network returns with the store.
cw_store_answers() (
  # --force: the operator says that the store no longer exists.
  [ "$cw_force" != force ] || exit 0
  cw_store=$(docker info -f '{{.ClusterStore}}' 2>/dev/null) || exit 0
  cw_at=${cw_store#*://} cw_at=${cw_at%%/*}
  case $cw_store in
    consul://*) timeout 10 consul kv get -http-addr="$cw_at" -keys docker/network/ >/dev/null && exit 0 ;;
    etcd://*)
      for cw_member in $(printf %s "$cw_at" | tr , ' '); do
        if command -v etcdctl >/dev/null; then
          ETCDCTL_API=2 timeout 10 etcdctl --endpoints "http://$cw_member" ls --quorum / >/dev/null && exit 0
        else
          curl -sSf -m 10 -o /dev/null "http://$cw_member/v2/keys/?quorum=true" && exit 0
        fi
      done ;;
    *) exit 0 ;;
  esac
  echo "Docker's store $cw_store does not answer, and without it Docker does not list its networks, although they may exist: start the store (systemctl start ${cw_store%%:*}, on its servers), then run this again; if the store no longer exists, --force treats it and its networks as removed" >&2
  exit 1
)

# The containers on it, running or stopped, but those that causeway proves something with: name, address or -, a comma and that of IPv6 where there is one, and
# aliases; Docker adds the container's id by itself. An address that Docker chose, rather than somebody who asked for it, ends in a question mark. Docker's filter takes the
# beginning of another network's id for the name, too: whoever is only on that one has nothing to say here.
cw_network_members() (
  # A swarm tells each container its address as if somebody had asked for it.
  cw_chosen=
  [ "$(docker network inspect -f '{{.Scope}}' "$1" 2>/dev/null)" != swarm ] || cw_chosen='?'
  docker ps -aq --filter "network=$1" | while read -r cw_id; do
    docker inspect -f "{{if not (index .Config.Labels \"causeway.probe\")}}{{\$name := .Name}}{{with index .NetworkSettings.Networks \"$1\"}}{{\$name}} {{\$ip := \"-\"}}{{with .IPAddress}}{{\$ip = print . \"?\"}}{{end}}{{with .IPAMConfig}}{{with .IPv4Address}}{{\$ip = print . \"$cw_chosen\"}}{{end}}{{end}}{{\$ip}}{{\$six := \"\"}}{{with .GlobalIPv6Address}}{{\$six = print . \"?\"}}{{end}}{{with .IPAMConfig}}{{with .IPv6Address}}{{\$six = print . \"$cw_chosen\"}}{{end}}{{end}}{{with \$six}},{{.}}{{end}}{{range .Aliases}} {{.}}{{end}}{{end}}{{end}}" "$cw_id" | sed "s/ $cw_id\( \|\$\)/\1/"
  done | sed '/^$/d; s,^/,,'
)

# cw_container_there NAME [NETWORK]: whether there is a container of that very name, and on that network.
cw_container_there() {
  cw_shown='{{.Name}}'
  [ -z "$2" ] || cw_shown="{{if index .NetworkSettings.Networks \"$2\"}}{{.Name}}{{end}}"
  [ "$(docker container inspect -f "$cw_shown" "$1" 2>/dev/null)" = "/$1" ]
}

cw_network_token() {
  cw_now=$(cw_network_words "$1") || return 1
  printf '%s .\n' "$cw_now" | tr '\n' ' '
}

cw_network_save() {
  cw_network_words "$1" >"$B.before" && { [ ! -s "$B.before" ] || cw_network_members "$1" >"$B.before.members"; }
}

cw_network_restore() (
  cw_now=$(cw_network_words "$1") || exit 1
  # Whoever was put on it since: with the addresses there is room for. More than one try of this adds to the list.
  cw_network_members "$1" | sed 's/^\([^ ]* [0-9.]*[0-9]\)\(,\| \|$\)/\1?\2/; s/^\([^ ]* [^ ]*,[0-9a-f:]*\)\( \|$\)/\1?\2/' >>"$B.members" || exit 1
  if [ "$cw_now" != "$(cat "$B.before")" ]; then
    cw_network_drop "$1" || exit 1
    [ -s "$B.before" ] || exit 0
    cw_network_make "$1" "$B.before" || exit 1
  elif [ ! -s "$B.before" ]; then
    exit 0
  fi
  # Also when it stands already: whoever was taking it back may have been cut off before its containers were on it again.
  cw_network_join "$1" "$B.before.members" && cw_network_join "$1" "$B.members"
)

# cw_network_make NAME WORDSFILE
cw_network_make() (
  cw_name=$1 cw_words=$2
  set --
  while IFS= read -r cw_word; do set -- "$@" "$cw_word"; done <"$cw_words"
  cw_docker network create "$@" "$cw_name"
)

# cw_network_join NAME MEMBERSFILE: puts the containers that a file lists on a network, those that are not, with their
# aliases and addresses.
cw_network_join() (
  cw_name=$1
  [ ! -s "$2" ] || while read -r cw_container cw_ip cw_aliases; do
    # One that its owner has removed since has no place to come back to.
    cw_container_there "$cw_container" || continue
    ! cw_container_there "$cw_container" "$cw_name" || continue
    set --
    for cw_alias in $cw_aliases; do set -- "$@" --alias "$cw_alias"; done
    cw_four= cw_six=
    for cw_one in $(printf %s "$cw_ip" | tr , ' '); do
      case $cw_one in
        -) ;;
        *:*\?) cw_six="--ip6 ${cw_one%?}" ;;
        *\?) cw_four="--ip ${cw_one%?}" ;;
        *:*) set -- "$@" --ip6 "$cw_one" ;;
        *) set -- "$@" --ip "$cw_one" ;;
      esac
    done
    # Where the network has no room for what Docker had chosen, it chooses anew.
    ! cw_network_chosen "$cw_four" "$cw_six" "$@" "$cw_name" "$cw_container" || continue
    cw_docker network connect "$@" "$cw_name" "$cw_container" || exit 1
  done <"$2"
)

# cw_network_chosen FOUR SIX WORD...: connects with the addresses that Docker had chosen, or with one of them; fails where it has room for none.
cw_network_chosen() {
  cw_four=$1 cw_six=$2
  shift 2
  [ -n "$cw_four$cw_six" ] || return 1
  docker network connect $cw_four $cw_six "$@" 2>/dev/null && return
  [ -n "$cw_four" ] && [ -n "$cw_six" ] || return 1
  docker network connect $cw_four "$@" 2>/dev/null || docker network connect $cw_six "$@" 2>/dev/null
}

# cw_network_drop NAME: its containers are taken off first. One of another host is not: taken off from here, it would keep
# its interfaces, and could not be put on a network again.
cw_network_drop() (
  cw_now=$(cw_network_words "$1") || exit 1
  [ -n "$cw_now" ] || exit 0
  [ "$1" != docker_gwbridge ] || cw_overlays_leave || exit 1
  cw_members_off "$1" || exit 1
  cw_docker network rm "$1" && exit 0
  cw_far=$(docker network inspect -f '{{range .Containers}}{{.Name}} {{end}}' "$1" 2>/dev/null)
  [ -z "$cw_far" ] || echo "containers of other hosts are on it: $cw_far; run there: docker network disconnect $1 NAME" >&2
  exit 1
)

# cw_overlays_leave: takes this host's containers off the overlay networks, by which alone they are on docker_gwbridge.
cw_overlays_leave() (
  cw_store_answers || exit 1
  docker network ls --filter driver=overlay --filter scope=global --format '{{.Name}}' | while read -r cw_overlay; do
    cw_members_off "$cw_overlay" || exit 1
  done
)

# cw_members_off NAME: takes this host's containers off a network.
cw_members_off() (
  cw_network_members "$1" | while read -r cw_container cw_rest; do
    cw_docker network disconnect -f "$1" "$cw_container" || exit 1
  done || exit 1
  # Those that causeway proves something with come and go by themselves.
  cw_own=$(docker ps -aq --filter "network=$1" --filter label=causeway.probe)
  [ -z "$cw_own" ] || docker rm -f $cw_own >/dev/null 2>&1
  true
)

# cw_network_put NAME WORDS: as asked, one word a line; the containers of the one before come along.
cw_network_put() (
  cw_network_members "$1" >"$B.members" 2>/dev/null
  cw_network_drop "$1" || exit 1
  printf '%s\n' "$2" >"$B.words"
  cw_network_make "$1" "$B.words" && cw_network_join "$1" "$B.members" || exit 1
  rm -f "$B.words" "$B.members"
)
