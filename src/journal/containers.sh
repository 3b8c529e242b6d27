# Containers that end with Docker: which they are, before it is restarted or stopped, and what became of them after.

# cw_ends_docker UNIT: whether Docker ends when the unit is restarted or stopped: it is Docker, or Docker needs it (Requires=,
# BindsTo=, PartOf=).
cw_ends_docker() {
  case ${1%.service} in docker) return 0 ;; esac
  case " $(systemctl show -p RequiredBy -p BoundBy -p ConsistsOf --value "$1" | tr '\n' ' ') " in
    *' docker.service '*) ;;
    *) return 1 ;;
  esac
}

# cw_outlive_docker: whether containers go on without their daemon: the one that ends, and the one that comes after it, have
# to be told so. One that does not run is not asked: that would start it, and wait for whatever it waits for.
cw_outlive_docker() {
  systemctl is-active -q docker || return 1
  [ "$(docker info -f '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ] || return 1
  grep -Eqs '"live-restore"[[:space:]]*:[[:space:]]*true' /etc/docker/daemon.json ||
    systemctl show -p ExecStart docker.service | grep -Eq -- '--live-restore(=true)?[ ;]'
}

# cw_containers ID…: a line of JSON for each that is there, but for those of a proof of causeway's own, which look after themselves.
cw_containers() {
  [ $# = 0 ] || docker container inspect -f '{{if not (index .Config.Labels "causeway.probe")}}{"id":{{json .Id}},"name":{{json .Name}},"running":{{.State.Running}},"exitCode":{{.State.ExitCode}},"startedAt":{{json .State.StartedAt}},"finishedAt":{{json .State.FinishedAt}},"policy":{{json .HostConfig.RestartPolicy.Name}},"removed":{{.HostConfig.AutoRemove}},"service":{{json (index .Config.Labels "com.docker.swarm.service.name")}},"networks":[{{range $name, $end := .NetworkSettings.Networks}}{{json $name}},{{end}}null]}{{end}}' "$@" 2>/dev/null | sed '/^$/d'
}

# cw_running: the containers that run now, in the same way; nothing while Docker does not. One that is started again and again
# is not interrupted.
cw_running() {
  command -v docker >/dev/null && systemctl is-active -q docker || return 0
  cw_containers $(docker ps -q --no-trunc --filter status=running --filter status=paused)
}

# cw_tell_running UNIT…: which of the units Docker ends with, whether containers outlive that, and those that run.
cw_tell_running() {
  cw_ends=
  for cw_u; do ! cw_ends_docker "$cw_u" || cw_ends="$cw_ends $cw_u"; done
  [ -n "$cw_ends" ] || return 0
  printf 'ends%s\n' "$cw_ends"
  ! cw_outlive_docker || echo outlive
  cw_running | sed 's/^/runs /'
}

# cw_mind_containers '' | leave UNIT…: before anything is done: tells the containers that this script ends, and leaves it where
# nobody gave leave for that. Those that ended are told when it ends, however it does.
cw_mind_containers() {
  cw_leave=$1
  shift
  cw_told=$(cw_tell_running "$@")
  case $cw_told in *"${cw_newline}runs "*) ;; *) return 0 ;; esac
  printf '%s\n' "$cw_told" | sed 's/^/@cw container /'
  case $cw_leave-$cw_told in
    leave-* | *"${cw_newline}outlive$cw_newline"*) ;;
    *) cw_say interrupts; exit 79 ;;
  esac
  cw_minded=$(printf '%s\n' "$cw_told" | sed -n 's/^runs {"id":"\([0-9a-f]*\)".*/\1/p')
  # Those that Docker starts again by itself.
  cw_back=$(printf '%s\n' "$cw_told" | sed -n 's/^runs {"id":"\([0-9a-f]*\)".*"policy":"\(always\|unless-stopped\)".*/\1/p')
  trap cw_tell_returned EXIT
}

# cw_tell_returned: what became of them. Docker is up before the last of them is, but for a moment.
cw_tell_returned() {
  for cw_tries in 1 2 3 4 5 6 7 8 9 10; do
    systemctl is-active -q docker || return 0
    cw_up=" $(docker ps -q --no-trunc | tr '\n' ' ')"
    cw_missing=
    for cw_c in $cw_back; do case $cw_up in *" $cw_c "*) ;; *) cw_missing=$cw_c ;; esac; done
    [ -n "$cw_missing" ] || break
    sleep 0.5
  done
  cw_containers $cw_minded | sed 's/^/@cw container is /'
}
