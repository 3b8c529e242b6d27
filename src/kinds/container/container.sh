# container NAME: a container that causeway made. The words of `docker run` that made it are in its label causeway.words.

# cw_container_words NAME: nothing where there is none, or where it is somebody else's.
cw_container_words() { docker container inspect -f '{{index .Config.Labels "causeway.words"}}' "$1" 2>/dev/null; }

cw_container_token() (
  cw_container_there "$1" || { echo absent; exit 0; }
  cw_words=$(cw_container_words "$1")
  [ -n "$cw_words" ] || { docker container inspect -f 'of somebody else: {{.Id}}' "$1"; exit 0; }
  printf '%s %s\n' "$(printf %s "$cw_words" | sha256sum | cut -c 1-64)" "$(docker container inspect -f '{{.State.Running}}' "$1")"
)

cw_container_save() (
  systemctl is-active -q docker || { echo 'Docker does not run'; exit 1; }
  cw_container_there "$1" || exit 0
  cw_container_words "$1" >"$B.before"
  docker container inspect -f '{{.State.Running}}' "$1" >"$B.before.running"
)

cw_container_restore() (
  cw_container_back "$1"
  cw_container_ours "$1" || exit 3
  if [ -s "$B.before" ]; then
    [ "$(cw_container_words "$1")" = "$(cat "$B.before")" ] || cw_container_make "$1" "$(cat "$B.before")" || exit 1
    if [ "$(cat "$B.before.running")" = true ]; then docker start "$1"; else docker stop "$1"; fi >/dev/null || exit 1
  else
    ! cw_container_there "$1" || docker rm -f -v "$1" >/dev/null || exit 1
  fi
  # An image that somebody uses by now stays.
  [ ! -s "$B.pulled" ] || docker image rm "$(cat "$B.pulled")" >/dev/null 2>&1 || true
)

# cw_container_ours NAME: whether there is none, or one of causeway's.
cw_container_ours() {
  ! cw_container_there "$1" || [ -n "$(cw_container_words "$1")" ] && return 0
  echo "the container $1 was not made by causeway; it is left as it is. To see it: docker inspect $1; to make room: docker rename $1 OTHER"
  return 1
}

# The one that is being replaced has this name meanwhile.
cw_container_beside() { printf '%s.causeway-before' "$1"; }

# cw_container_back NAME: what was cut off between the old container and the new one: the old one is there again.
cw_container_back() {
  cw_old=$(cw_container_beside "$1")
  cw_container_there "$cw_old" && [ -n "$(cw_container_words "$cw_old")" ] || return 0
  ! cw_container_there "$1" || docker rm -f -v "$1" >/dev/null
  docker rename "$cw_old" "$1" && docker start "$1" >/dev/null
}

# cw_container_put NAME IMAGE WORDS: one word a line. The container is made anew.
cw_container_put() (
  cw_container_back "$1"
  cw_container_ours "$1" || exit 1
  if ! docker image inspect "$2" >/dev/null 2>&1; then
    docker pull $(cw_unless_live -q) "$2" || exit 1
    printf '%s\n' "$2" >"$B.pulled"
  fi
  cw_container_make "$1" "$3"
)

# cw_container_make NAME WORDS: where the new one does not run a second later, the old one is back, and the step has failed.
cw_container_make() (
  cw_name=$1 cw_words=$2 cw_old=$(cw_container_beside "$1")
  if cw_container_there "$cw_name"; then
    docker stop "$cw_name" >/dev/null && docker rename "$cw_name" "$cw_old" || exit 1
  fi
  set --
  # The words of a program may have spaces; they have no line breaks.
  while IFS= read -r cw_word || [ -n "$cw_word" ]; do set -- "$@" "$cw_word"; done <<END
$cw_words
END
  if docker run -d --name "$cw_name" --label "causeway.words=$cw_words" "$@" >/dev/null && cw_container_stands "$cw_name"; then
    ! cw_container_there "$cw_old" || docker rm -f -v "$cw_old" >/dev/null
    exit 0
  fi
  docker rm -f -v "$cw_name" >/dev/null 2>&1
  if cw_container_there "$cw_old"; then docker rename "$cw_old" "$cw_name" && docker start "$cw_name" >/dev/null; fi
  exit 1
)

# cw_container_stands NAME: it runs, and did not end in its first second; if not, its last words are said.
cw_container_stands() {
  sleep 1
  [ "$(docker container inspect -f '{{.State.Running}} {{.RestartCount}}' "$1" 2>/dev/null)" = 'true 0' ] && return 0
  echo "the container $1 ended at once: $(docker container inspect -f 'exit code {{.State.ExitCode}} {{.State.Error}}' "$1")"
  docker logs --tail 20 "$1" 2>&1
  return 1
}
