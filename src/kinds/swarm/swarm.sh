# swarm node: this host's place in a swarm of Docker's.

# cw_swarm_said FIELDS: fields of what Docker says of it: {{.LocalNodeState}}, {{.NodeID}}. Nothing of a Docker that cannot be asked.
cw_swarm_said() { docker info -f "{{with .Swarm}}$1{{end}}"; }

# Who is in it, and as what, changes by itself; that there is one is what counts.
cw_swarm_token() {
  cw_now=$(cw_swarm_said '{{.LocalNodeState}}') || return 1
  case $cw_now in '' | inactive) echo inactive ;; *) echo 'in a swarm' ;; esac
}

cw_swarm_save() { cw_swarm_token >"$B.before"; }

cw_swarm_stays() { [ "$1" = inactive ] && [ "$2" != inactive ] && echo 'it is still a node of a swarm'; }

# One that was a node before is not ours to take out.
cw_swarm_restore() (
  cw_now=$(cw_swarm_token) || exit 1
  [ "$cw_now" != inactive ] && [ "$(cat "$B.before")" = inactive ] || exit 0
  cw_swarm_leave
)

# cw_swarm_start ADDRESS DATAPORT POOL PREFIX
cw_swarm_start() {
  docker swarm init --advertise-addr "$1" --data-path-port "$2" --default-addr-pool "$3" --default-addr-pool-mask-length "$4" >/dev/null
}

# cw_swarm_join ADDRESS TOKEN MANAGER…: over the socket, because a token among the arguments of a program can be seen by every
# user of the host. Docker gives up after 20 s and goes on in the background; a node that waits so is none, and is taken back.
cw_swarm_join() (
  cw_own=$1 cw_secret=$2 cw_remote=
  shift 2
  for cw_manager; do cw_remote="$cw_remote${cw_remote:+,}\"$cw_manager:2377\""; done
  cw_body="{\"ListenAddr\":\"0.0.0.0:2377\",\"AdvertiseAddr\":\"$cw_own\",\"RemoteAddrs\":[$cw_remote],\"JoinToken\":\"$cw_secret\",\"Availability\":\"active\"}"
  cw_answer=$(printf %s "$cw_body" | cw_docker_post /swarm/join) && exit 0
  printf '%s\n' "$cw_answer" >&2
  case $(cw_swarm_said '{{.LocalNodeState}}') in pending | error) docker swarm leave --force >/dev/null 2>&1 ;; esac
  exit 1
)

# cw_docker_post PATH: sends standard input to Docker, and prints what it says where that is not 200. Its command line carries the
# connection, so that no other program is needed. The input stays open until the answer is there: Docker takes its end
# for a client that has gone.
cw_docker_post() (
  cw_sent=$(cat) cw_over=$(mktemp -u /run/causeway-post.XXXXXX) cw_nl=$(printf '\r\n.') cw_nl=${cw_nl%.}
  cw_got=$({
    printf '%s' "POST $1 HTTP/1.1${cw_nl}Host: docker${cw_nl}Connection: close${cw_nl}Content-Type: application/json${cw_nl}Content-Length: ${#cw_sent}${cw_nl}${cw_nl}$cw_sent"
    until [ -e "$cw_over" ]; do sleep 0.1; done
  } | { docker system dial-stdio; : >"$cw_over"; })
  rm -f "$cw_over"
  case $cw_got in 'HTTP/1.1 200 '*) exit 0 ;; esac
  printf '%s\n' "$cw_got" | sed -n 's/.*"message":"\(.*\)".*/\1/p'
  exit 1
)

# cw_swarm_leave: takes this host out of its swarm. The last manager ends it, once all other nodes have left; a manager that is not
# the last one becomes a worker first, where the others can go on without it; nobody's services are ended.
cw_swarm_leave() (
  cw_said=$(cw_swarm_said '{{.LocalNodeState}} {{.ControlAvailable}} {{.NodeID}}') || exit 1
  read -r cw_state cw_manages cw_self <<END
$cw_said
END
  cw_forced=--force
  if [ "$cw_force" = force ] || [ "$cw_state" = pending ] || [ "$cw_state" = error ]; then :
  elif [ "$cw_state" = locked ]; then
    echo 'the swarm is locked: docker swarm unlock, then run this again' >&2
    exit 1
  else
    cw_swarm_no_services || exit 1
    if [ "$cw_manages" = true ]; then cw_swarm_step_down || exit 1; else cw_forced=; fi
  fi
  docker network ls --filter scope=swarm --format '{{.Name}}' | while read -r cw_net; do
    [ "$cw_net" = ingress ] || cw_members_off "$cw_net" || exit 1
  done || exit 1
  # A manager that has just become a worker knows it a moment later.
  cw_tries=0
  until cw_why=$(docker swarm leave $cw_forced 2>&1); do
    cw_tries=$((cw_tries + 1))
    case $cw_why in *'not part of a swarm'*) exit 0 ;; esac
    [ $cw_tries -le 30 ] || { printf '%s\n' "$cw_why" >&2; exit 1; }
    sleep 1
  done
)

# cw_swarm_no_services: containers of services run here only because somebody wants them to.
cw_swarm_no_services() (
  cw_theirs=$(docker ps --filter label=com.docker.swarm.service.name --format '{{.Label "com.docker.swarm.service.name"}}' | sort -u | tr '\n' ' ')
  [ -n "$cw_theirs" ] || exit 0
  echo "containers of services run here: $cw_theirs; move them first, on a manager: docker node update --availability drain $(cw_swarm_said '{{.NodeID}}')" >&2
  exit 1
)

# cw_swarm_nodes: the nodes as the managers know them, a line each: id, name, state, role, and what a manager is to the others.
cw_swarm_nodes() (
  cw_ids=$(docker node ls -q) || exit 1
  docker node inspect -f '{{.ID}} {{.Description.Hostname}} {{.Status.State}} {{.Spec.Role}} {{with .ManagerStatus}}{{.Reachability}}{{else}}-{{end}}' $cw_ids
)

# cw_swarm_role promote|demote NODE: while the managers choose another leader, which takes seconds, they refuse every change. A
# new manager is one once the others reach it as such.
cw_swarm_role() (
  cw_tries=0
  until cw_why=$(docker node "$1" "$2" 2>&1); do
    cw_tries=$((cw_tries + 1))
    case $cw_why in *'lost leader status'* | *'not have a leader'* | *'update out of sequence'*) ;; *) cw_tries=99 ;; esac
    [ $cw_tries -le 20 ] || { printf '%s\n' "$cw_why" >&2; exit 1; }
    sleep 1
  done
  [ "$1" = promote ] || exit 0
  cw_tries=0
  until [ "$(docker node inspect -f '{{with .ManagerStatus}}{{.Reachability}}{{end}}' "$2")" = reachable ]; do
    cw_tries=$((cw_tries + 1))
    [ $cw_tries -le 30 ] || { echo 'it is a manager by its role, and the other managers do not reach it: TCP 2377 has to be open between them' >&2; exit 1; }
    sleep 1
  done
)

# cw_swarm_step_down: sets cw_forced where this host is the last manager, and otherwise makes it a worker.
cw_swarm_step_down() {
  cw_all=$(cw_swarm_nodes) || {
    echo 'the managers of the swarm have no quorum, and without one no manager leaves it: start the others; if they are gone for good, --force leaves them to themselves' >&2
    return 1
  }
  cw_others=$(printf '%s\n' "$cw_all" | grep -v "^$cw_self ")
  cw_managers=$(printf '%s\n' "$cw_others" | grep -c ' manager ')
  [ "$cw_managers" != 0 ] || { cw_swarm_last; return; }
  cw_well=$(printf '%s\n' "$cw_others" | grep -c ' manager reachable$\| manager leader$')
  if [ $((cw_well * 2)) -le "$cw_managers" ]; then
    printf '%s\n' "without this manager the others have no quorum:" "$cw_others" "take out those that are gone first: docker node demote NODE && docker node rm --force NODE" >&2
    return 1
  fi
  cw_forced=
  cw_swarm_role demote "$cw_self" || return 1
  cw_tries=0
  until [ "$(cw_swarm_said '{{.ControlAvailable}}')" = false ]; do
    cw_tries=$((cw_tries + 1))
    [ $cw_tries -le 60 ] || { echo 'the other managers took this one out, and it does not know yet: run this again' >&2; return 1; }
    sleep 0.5
  done
}

# cw_swarm_last: a swarm ends with its last manager, and with it what runs in it. Nodes that have left are down after some seconds.
cw_swarm_last() {
  cw_theirs=$(docker service ls --format '{{.Name}}' | tr '\n' ' ') || return 1
  [ -z "$cw_theirs" ] || { echo "the swarm ends with this host, and services run in it: $cw_theirs; remove them first: docker service rm NAME" >&2; return 1; }
  cw_tries=0
  while :; do
    cw_all=$(cw_swarm_nodes) || return 1
    cw_up=$(printf '%s\n' "$cw_all" | grep -v "^$cw_self " | grep -v ' down ' | cut -d ' ' -f 2 | tr '\n' ' ')
    [ -n "$cw_up" ] || return 0
    cw_tries=$((cw_tries + 1))
    [ $cw_tries -le 40 ] || break
    sleep 1
  done
  echo "the swarm ends with this host, and other hosts are still in it: $cw_up; on each of them first: docker swarm leave" >&2
  return 1
}

# cw_swarm_forget NODE: takes a node out that has left or is dead; one that has just left is down after some seconds.
cw_swarm_forget() (
  cw_tries=0
  while :; do
    cw_now=$(docker node inspect -f '{{.Status.State}} {{.Spec.Role}}' "$1" 2>/dev/null) || exit 0
    case $cw_now in
      down\ *) break ;;
    esac
    cw_tries=$((cw_tries + 1))
    [ $cw_tries -le 60 ] || { echo "it is still a node of the swarm, and it is up: ${cw_now%% *}" >&2; exit 1; }
    sleep 1
  done
  case $cw_now in *\ manager) cw_swarm_role demote "$1" || exit 1 ;; esac
  cw_tries=0
  until cw_why=$(docker node rm --force "$1" 2>&1); do
    cw_tries=$((cw_tries + 1))
    [ $cw_tries -le 15 ] || { printf '%s\n' "$cw_why" >&2; exit 1; }
    sleep 1
  done
)
