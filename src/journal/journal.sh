# The journal's half that runs on the host: POSIX sh and coreutils only.
# It is stored beside the entries, so that an undo needs neither the controller nor the network.
#
#   $CW/stop-RUN               a person asked that run to stop before its next step
#   $CW/format                 the version of this layout
#   $CW/host                   whose journal this is: the host's name in the inventory
#   $CW/lock                   who performs just now
#   $CW/head                   "RUN SEQ" of the newest entry
#   $CW/lib-HASH.sh            this text, and that of the kinds, by the beginning of its checksum
#   $CW/beside                 "RUN HOST…": the newest run that ended here, and a few hosts that it changed, too
#   $CW/missing                a run that changed this host, as others remember, and that is in no journal here
#   $CW/runs/RUN/run.json      one line: when, by whom, which playbook
#   $CW/runs/RUN/end           how the run ended on this host
#   $CW/runs/RUN/NNNN.json     one line: what was intended; .json.new until the whole batch is safe on disk
#   $CW/runs/RUN/NNNN.res      the resource: a kind, and its arguments quoted for the shell
#   $CW/runs/RUN/NNNN.was      the resource's token before, and .now after
#   $CW/runs/RUN/NNNN.before*  what the kind needs to restore it
#   $CW/runs/RUN/NNNN.sum      checksums of .json, .res, .was and .before*; entries of older versions have fewer, or none
#   $CW/runs/RUN/NNNN.begun    it was begun;  .done: it was performed;  .undone: it was taken back
#   $CW/folded                 the newest run of which only what was before the oldest is kept
#   $CW/runs/RUN/folded        steps of it stand, but as part of an older run's
#   $CW/old/RUN                a run of which nothing stands any more
#   $CW/old/RUN/stepless       it never did a step that could stand: it restarted something, or failed before its first one
#
# A kind is three functions on a resource, called with its arguments and with $B, the entry's path without an ending:
# cw_KIND_token prints its state, cw_KIND_save keeps what restoring it needs, cw_KIND_restore restores it,
# or says what somebody changed since and gives 3; with $cw_force it does not ask. cw_KIND_tidy, where a kind has one, takes
# away what a step that was cut off left beside the resource. cw_KIND_stays, where a kind has one, gets the tokens of before
# and of now, after a restore, then the arguments: it says what of the step stays, and fails where nothing does. What else
# there is to know of kinds stands in lists that the controller puts before this text: $cw_kinds_tidy, $cw_kinds_compare,
# $cw_kinds_foretell, $cw_kinds_bring and $cw_kinds_judge (src/kinds/kind.ts).
#
# One script does what one host has to do: cw_begin; for what will be new, cw_intend and cw_intended; then for each action
# cw_perform or cw_take_back; then cw_due for each reload and restart. It tells its progress in lines that begin with @cw.

# Nothing of this comes from the host's environment.
CW=/var/lib/causeway OUT=/var/lib/causeway/out
D='' B='' cw_run='' cw_force='' cw_later='' cw_diff='' cw_stuck='' cw_owing='' cw_foretold='' cw_live=''
cw_keep=50 cw_settle=0.3
cw_newline='
'

cw_say() { printf '@cw %s\n' "$*"; }

# Prints the output of a failed command to the report, and leaves the script.
cw_fail() {
  cw_say "$@"
  [ ! -s "$OUT" ] || cw_tell_output 8000
  exit 71
}

# The start time of a process in clock ticks: with the boot id it tells two processes of one number apart.
cw_started() {
  read -r cw_stat 2>/dev/null <"/proc/$1/stat" || return 1
  set -- ${cw_stat##*) }
  shift 19
  printf %s "$1"
}

# cw_holder_alive FILE: whether the process that wrote the lock is still there.
cw_holder_alive() (
  read -r pid started boot rest <"$1" || return 1
  [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "$(cw_started "$pid")" = "$started" ]
)

# cw_lock WORDS: takes the lock for this session's shell; WORDS say who and since when.
cw_lock() {
  cw_mine="$$ $(cw_started $$) $(cat /proc/sys/kernel/random/boot_id)"
  [ -f "$CW/lock" ] && case "$(cat "$CW/lock" 2>/dev/null)" in "$cw_mine "*) return 0 ;; esac
  printf '%s %s\n' "$cw_mine" "$1" >"$CW/lock.$$"
  cw_try=0
  until ln "$CW/lock.$$" "$CW/lock" 2>/dev/null; do
    cw_try=$((cw_try + 1))
    if [ $cw_try -gt 20 ] || cw_holder_alive "$CW/lock"; then
      rm -f "$CW/lock.$$"
      cw_say "locked $(cut -d ' ' -f 4- "$CW/lock" 2>/dev/null)"
      exit 75
    fi
    cw_take_over && break
    sleep 0.05
  done
  rm -f "$CW/lock.$$"
}

# Puts this shell's lock where a dead holder's is. One alone may do so at a time, and the name is never free in between: of several
# that find it, one gets it.
cw_take_over() {
  if ! ln "$CW/lock.$$" "$CW/lock.next" 2>/dev/null; then
    cw_holder_alive "$CW/lock.next" || rm -f "$CW/lock.next"
    return 1
  fi
  [ -f "$CW/lock" ] && ! cw_holder_alive "$CW/lock" && mv -f "$CW/lock.$$" "$CW/lock"
  cw_took=$?
  rm -f "$CW/lock.next"
  return $cw_took
}

# Whether this session's shell has the lock.
cw_has_lock() {
  case "$(cat "$CW/lock" 2>/dev/null)" in "$$ $(cw_started $$) "*) ;; *) return 1 ;; esac
}

# Gives the lock back, if this session's shell has it.
cw_unlock() { if cw_has_lock; then rm -f "$CW/lock"; fi; }

# cw_sync FILES: they survive a power cut from here on. coreutils before 8.24 syncs everything.
cw_sync() { sync -- "$@" 2>/dev/null || sync; }

# cw_begin RUN HEAD WHO RUNJSON HOST: takes the lock, checks that nobody else wrote since HEAD was read.
cw_begin() {
  umask 077
  mkdir -p "$CW/runs" || cw_fail "nojournal $CW"
  cw_lock "$3"
  cw_head=$(cat "$CW/head" 2>/dev/null)
  if [ "$cw_head" != "$2" ]; then
    cw_say "moved $cw_head"
    exit 76
  fi
  cw_run=$1 D=$CW/runs/$1
  if [ ! -d "$D" ]; then
    mkdir "$D" || cw_fail "nojournal $D"
    printf '%s\n' "$4" >"$D/run.json" || cw_fail "nojournal $D"
  fi
  # From 2 on an entry names its resource; an older causeway would not understand it.
  cw_keep_word format 2
  # A host that got another name is known by it from here on; that it is no copy was judged before.
  cw_keep_word host "$5"
  umask 022
}

# cw_keep_word NAME WORD: a file of the journal that holds one word; whole, or not at all. It is on disk before the first entry.
cw_keep_word() {
  [ "$(cat "$CW/$1" 2>/dev/null)" != "$2" ] || return 0
  printf '%s\n' "$2" >"$CW/$1.new" && mv -f "$CW/$1.new" "$CW/$1" || cw_fail "nojournal $CW/$1"
}

# cw_keep_library HASH: keeps this text beside the entries, if it came with the script; whole, or not at all.
cw_keep_library() {
  [ -n "$cw_library" ] || return 0
  cw_file=$CW/lib-$1.sh
  (umask 077 && printf %s "$cw_library" >"$cw_file.new" && cw_sync "$cw_file.new" && mv -f "$cw_file.new" "$cw_file") ||
    cw_fail "nojournal $cw_file"
}

# cw_intend N JSON KIND ARGS…: writes down what will be done, and saves what undoing it needs.
cw_intend() {
  B=$D/$1
  (
    umask 077
    printf '%s\n' "$2" >"$B.json.new" || exit 1
    cw_kind=$3
    shift 3
    cw_write_resource "$cw_kind" "$@" >"$B.res" || exit 1
    "cw_${cw_kind}_token" "$@" >"$B.was" && "cw_${cw_kind}_save" "$@" && cw_sum_up "$B.json.new"
  ) >"$OUT" 2>&1 || cw_fail "failed $1 save $?"
}

# cw_sum_up JSON: notes what the entry $B keeps, and the text that becomes its .json, so that nothing else is ever restored or
# run in its place.
cw_sum_up() {
  cw_sum_of_json "$B" "$1" >"$B.sum" && cd "$D" || return 1
  cw_name=${B##*/}
  set -- "$cw_name.res" "$cw_name.was"
  for cw_f in "$cw_name".before*; do [ ! -f "$cw_f" ] || set -- "$@" "$cw_f"; done
  sha256sum -- "$@" >>"$B.sum"
}

# cw_sum_of_json ENTRY FILE: the line of .sum for the entry's .json, which is to be what FILE is.
cw_sum_of_json() { sha256sum <"$2" | sed "s|-$|${1##*/}.json|"; }

# cw_is_whole ENTRY: whether what it keeps is as it was written; if not, it says what is not.
cw_is_whole() {
  if [ -f "$1.sum" ]; then
    cw_harmed=$(cd "${1%/*}" && LC_ALL=C sha256sum -c --quiet "$1.sum" 2>/dev/null) && return 0
    cw_harmed=$(printf '%s\n' "$cw_harmed" | sed -n 's/: FAILED.*//p' | tr '\n' ' ')
    cw_harmed=${cw_harmed% }
  elif cw_has_sum "$1"; then
    cw_harmed=
  elif [ -f "$1.res" ] && [ -f "$1.was" ]; then
    return 0
  elif [ -f "$1.res" ]; then
    cw_harmed=${1##*/}.was
  else
    cw_harmed=${1##*/}.res
  fi
  printf '%s in %s is not as it was written\n' "${cw_harmed:-${1##*/}.sum}" "${1%/*}"
  return 1
}

# cw_has_sum ENTRY: whether a version wrote it that keeps checksums. A quote inside a string of JSON has a backslash before it.
cw_has_sum() { case $(cat "$1.json" 2>/dev/null) in *',"summed":true'*) ;; *) return 1 ;; esac; }

# Prints the arguments quoted for the shell, so that a later `eval` gives them back; on one line, whatever they hold.
cw_write_resource() {
  printf '%s' "$1"
  shift
  for cw_arg; do
    case $cw_arg in
      *\'* | *"$cw_newline"*)
        printf " '%s'" "$(printf '%s' "$cw_arg" | sed "s/'/'\\\\''/g; "'$!s/$/'"'"'"$cw_newline"'"'/" | tr -d '\n')"
        ;;
      *) printf " '%s'" "$cw_arg" ;;
    esac
  done
  printf '\n'
}

# cw_intended RUN LAST: from here on the entries are the host's memory. They get their names once their bytes are on disk:
# what a power cut leaves half-written has none, and nothing of it was performed.
cw_intended() {
  printf '%s %s\n' "$1" "$2" >"$CW/head.new" || cw_fail "nojournal $CW/head"
  cw_sync "$D"/* "$CW/head.new" "$CW/format" "$CW/host"
  for cw_f in "$D"/*.json.new; do
    [ ! -f "$cw_f" ] || mv -f "$cw_f" "${cw_f%.new}" || cw_fail "nojournal $cw_f"
  done
  mv -f "$CW/head.new" "$CW/head" || cw_fail "nojournal $CW/head"
  cw_sync "$D" "$CW/runs" "$CW"
}

# cw_start ID: says that an action begins, unless a person asked to stop before it.
cw_start() {
  if [ -f "$CW/stop-$cw_run" ]; then
    rm -f "$CW/stop-$cw_run"
    cw_say "stopped $1"
    return 1
  fi
  cw_say "start $1"
}

# cw_quietly FUNCTION: runs it in a subshell; what it says is kept for the report, and of much of it the beginning and the end:
# a step that prints without end fills no disk. It ends with the function, also where that left something running that holds
# its output open. With $cw_live what it says is also told as it comes.
cw_quietly() {
  read -r cw_pipe </proc/sys/kernel/random/uuid
  cw_pipe=$OUT.$cw_pipe cw_patience=1020 cw_teller=''
  mkfifo -m 600 "$cw_pipe" || return 1
  if [ -n "$cw_live" ] && mkfifo -m 600 "$cw_pipe.live"; then
    cw_patience=1060
    { exec <"$cw_pipe.live" 2>/dev/null; cw_tell_live; } &
    cw_teller=$!
    # It goes on when the teller has told enough.
    { trap '' PIPE; exec tee "$cw_pipe.live" <"$cw_pipe" 2>/dev/null; } | { exec >/dev/null 2>&1; cw_keep_output; } &
  else
    { exec <"$cw_pipe" >/dev/null 2>&1; cw_keep_output; } &
  fi
  ("$1") >"$cw_pipe" 2>&1 </dev/null
  cw_quiet_code=$?
  cw_waited=0
  while [ -p "$cw_pipe" ] && [ $cw_waited -lt $cw_patience ]; do
    cw_waited=$((cw_waited + 1))
    [ $cw_waited -lt 1000 ] || sleep 0.05
  done
  if [ -n "$cw_teller" ]; then
    # What still holds the output open says no more to the report; the newline ends a line that the teller may have been at.
    [ ! -p "$cw_pipe" ] || kill $cw_teller 2>/dev/null
    wait $cw_teller 2>/dev/null || echo
  fi
  rm -f "$cw_pipe" "$cw_pipe.live"
  return $cw_quiet_code
}

# What comes is kept, up to its end; who still holds it open after the step talks to nobody. By `exec`: with other redirections a
# shell keeps the session's own output open beside them.
cw_keep_output() {
  { head -c 65536; tail -c 65536; } >"$OUT"
  rm -f "$cw_pipe"
  cat
}

# cw_tell_live: tells what comes, as it comes, up to $cw_live bytes; encoded, so that nothing of it passes for this script's words.
cw_tell_live() {
  cw_left=$cw_live cw_pieces=0
  while [ $cw_left -gt 0 ]; do
    cw_said=$(dd bs=32768 count=1 | base64 -w 3000)
    [ -n "$cw_said" ] || return 0
    for cw_piece in $cw_said; do cw_say "said $cw_piece"; done
    cw_left=$((cw_left - ${#cw_said} * 3 / 4)) cw_pieces=$((cw_pieces + 1))
    # Of one that says much, what comes within a moment goes together.
    [ $cw_pieces -lt 20 ] || sleep 0.1
  done
  cw_say full
}

# cw_unless_live WORD: the word by which a program says less, unless a person sees what it says.
cw_unless_live() { [ -n "$cw_live" ] || printf %s "$1"; }

# cw_perform N FUNCTION: performs one step.
cw_perform() {
  B=$D/$1
  if ! cw_start "$1"; then
    : >"$B.undone"
    cw_never_began "$1"
    exit 77
  fi
  true >"$B.begun" || cw_fail "nojournal $B.begun"
  cw_quietly "$2" || { cw_code=$?; cw_never_began "$1"; cw_fail "failed $1 perform $cw_code"; }
  # On a full disk. What comes after it would be no better noted.
  cw_settled "$B" || { cw_never_began "$1"; cw_fail "unnoted $1 $B"; }
  cw_say "done $1"
}

# cw_never_began N: what was intended after N will not be performed; there is nothing of it to undo.
cw_never_began() {
  for cw_f in "$D"/[0-9]*.json; do
    [ -f "$cw_f" ] || continue
    cw_f=${cw_f%.json}
    [ "${cw_f##*/}" -le "$1" ] || : >"$cw_f.undone"
  done
}

# cw_settled ENTRY: its resource is now what it was to become. Without that note an undo could not tell what somebody changed since.
cw_settled() {
  cw_is=$(cw_token_of "$1" 2>/dev/null)
  { [ -f "$1.now" ] && [ "$cw_is" = "$(cat "$1.now")" ]; } || printf '%s\n' "$cw_is" >"$1.now" || return 1
  true >"$1.done"
}

# cw_token_of ENTRY: the present state of the entry's resource.
cw_token_of() { (cw_resource "$1" && eval "cw_${cw_kind}_token $cw_args"); }

# cw_resource ENTRY: sets the kind and its quoted arguments, which may have several lines.
cw_resource() {
  cw_res=$(cat "$1.res") || return 1
  cw_kind=${cw_res%% *} cw_args=${cw_res#* }
}

# cw_state ENTRY: before, ours, other (somebody changed it since) or half (it was never finished).
cw_state() { cw_resource "$1" && cw_judge "$1" "$(cw_token_of "$1" 2>/dev/null)"; }

# cw_judge ENTRY TOKEN: the same for a state that is known. What a file is to become is noted before it becomes it; one
# that is something else, with no such note, is not of our making, unless it was being written where it stands.
# $cw_later are newer entries of the same resource, RUN/N, that are taken back together with this one.
cw_judge() {
  if [ -f "$1.torn" ]; then
    echo half
  elif [ "$2" = "$(cat "$1.was" 2>/dev/null)" ]; then
    echo before
  elif [ -s "$1.now" ] && [ "$2" = "$(cat "$1.now")" ]; then
    echo ours
  elif cw_made_later "$1" "$2"; then
    echo ours
  elif [ -s "$1.now" ] || cw_is_among "$cw_kind" $cw_kinds_foretell; then
    echo other
  else
    echo half
  fi
}

# cw_made_later ENTRY TOKEN: whether the newer ones led from what the entry made to this, with nobody else in between.
cw_made_later() {
  [ -n "$cw_later" ] || return 1
  cw_link=$(cat "$1.now")
  for cw_l in $cw_later; do
    [ "$cw_link" = "$(cat "$CW/runs/$cw_l.was")" ] || return 1
    cw_link=$(cat "$CW/runs/$cw_l.now")
  done
  [ "$cw_link" = "$2" ]
}

# cw_undo ENTRY [force]: restores the entry's resource. 0 restored or nothing to do, 3 somebody changed it since, 4 it is
# not what it was before, although restoring it said nothing.
cw_undo() { cw_put_back "$@" && : >"$1.undone"; }

# cw_put_back ENTRY [force]: the same, of an entry that counts as taken back only after what its restart needs as well.
cw_put_back() {
  B=$1 cw_force=$2
  # Nothing is guessed from what is damaged, not even by force.
  cw_is_whole "$B" || return 1
  cw_resource "$B" || return 1
  cw_now_is=$(cw_state "$B")
  case $cw_now_is-$cw_kind in
    before-*) ! cw_left_something "$B" || cw_restore || return $? ;;
    other-*)
      ! cw_is_among "$cw_kind" $cw_kinds_compare || [ "$cw_force" = force ] || return 3
      cw_restore || return $? ;;
    *) cw_restore || return $? ;;
  esac
  cw_tidy
  [ "$cw_now_is" = before ] || [ "$cw_force" = force ] || cw_has_causes "$B" || ! cw_stays "$B" || return 4
  for cw_closed in $(cat "$B.closes" 2>/dev/null); do rm -f "$CW/runs/$cw_closed.undone"; done
}

# cw_has_causes ENTRY: whether a reload or restart belongs to its undo, and what a command says of it is true only after that.
cw_has_causes() {
  [ "$cw_kind" = run ] || return 1
  case $(cat "$1.json" 2>/dev/null) in *',"causes":[{'*) ;; *) return 1 ;; esac
}

# cw_stays ENTRY: says what of a step is there after its resource was restored; fails where that is again what it was.
cw_stays() {
  cw_is=$(cw_token_of "$1") || { echo "nothing tells whether it is as before"; return 0; }
  if cw_is_among "$cw_kind" $cw_kinds_judge; then
    (B=$1; eval "cw_${cw_kind}_stays \"\$(cat \"\$1.was\")\" \"\$cw_is\" $cw_args")
  else
    [ "$cw_is" != "$(cat "$1.was")" ] && printf 'before: %s\nnow:    %s\n' "$(cat "$1.was")" "$cw_is"
  fi
}

# cw_look_again: looks, after the restarts, at what only they bring back; what stays does not count as taken back.
cw_look_again() {
  cw_came_back=
  for cw_e in $cw_owing; do
    if [ -f "$CW/runs/$cw_e.res" ] && cw_resource "$CW/runs/$cw_e" && cw_has_causes "$CW/runs/$cw_e" && cw_stays "$CW/runs/$cw_e" >"$OUT" 2>&1; then
      cw_say "unlike $cw_e"
      cw_tell_output
    else
      cw_came_back="$cw_came_back $cw_e"
    fi
  done
  cw_owing=$cw_came_back
}

# cw_is_among WORD LIST
cw_is_among() {
  cw_word=$1
  shift
  case " $* " in *" $cw_word "*) ;; *) return 1 ;; esac
}

# cw_left_something ENTRY: whether one whose resource is as before may have left something beside it: one that was cut off,
# unless its kind foretells; and in every case one of a kind that brings more along than its token tells.
cw_left_something() {
  [ -f "$1.begun" ] || return 1
  ! cw_is_among "$cw_kind" $cw_kinds_foretell || return 1
  cw_is_among "$cw_kind" $cw_kinds_bring || [ ! -f "$1.done" ]
}

# Takes away what a step that was cut off left beside its resource.
cw_tidy() { ! cw_is_among "$cw_kind" $cw_kinds_tidy || (eval "cw_${cw_kind}_tidy $cw_args"); }

cw_restore() { (eval "cw_${cw_kind}_restore $cw_args") </dev/null; }

# cw_due WORD UNIT '' | gently N…: a reload or restart that the steps N… made necessary; UNIT is empty for daemon-reload.
cw_due() {
  ! cw_spared "$2" "$3" || { cw_say "spared $1 $2"; return 0; }
  cw_say "begin $1${2:+ $2}"
  if cw_consequence "$1" "$2"; then cw_say "end $1${2:+ $2}"; else cw_give_up "$@"; fi
}

# cw_spared UNIT '' | gently: whether a reload or restart has nothing to do: after something was taken back (gently) a unit that
# is gone, or that was stopped with it, stays as it is.
cw_spared() { [ -n "$1" ] && [ -n "$2" ] && ! cw_is_up "$1"; }

# cw_consequence WORD UNIT: daemon-reload, reload or restart; then the unit has to stay alive. With $cw_live it is told what the
# unit says to the host's log meanwhile.
cw_consequence() {
  if [ "$1" = daemon-reload ]; then
    systemctl daemon-reload >"$OUT" 2>&1
    return
  fi
  systemctl reset-failed "$2" 2>/dev/null
  [ -z "$cw_live" ] || cw_listen "$2"
  systemctl "$1" "$2" >"$OUT" 2>&1 && cw_alive "$2"
  cw_code=$?
  [ -z "$cw_live" ] || cw_listen_no_more
  return $cw_code
}

# cw_listen UNIT: from now on.
cw_listen() {
  cw_pipe=$OUT.log
  rm -f "$cw_pipe"
  mkfifo -m 600 "$cw_pipe" || { cw_teller=''; return; }
  journalctl -q -f -o cat -u "$1" --since "@$(date +%s.%N)" >"$cw_pipe" 2>/dev/null </dev/null &
  cw_log=$!
  { exec <"$cw_pipe" 2>/dev/null; cw_tell_live; } &
  cw_teller=$!
}

cw_listen_no_more() {
  [ -n "$cw_teller" ] || return 0
  kill $cw_log 2>/dev/null
  wait $cw_teller
  rm -f "$cw_pipe"
}

# Whether a unit is there and runs, or ought to.
cw_is_up() {
  cw_will_run "$1" || systemctl is-failed -q "$1" || return 1
  [ "$(systemctl show -p LoadState --value "$1")" != not-found ]
}

# Whether a unit runs, or systemd is about to start it: a restart is handed on to what requires the unit, and nobody waits for that.
cw_will_run() {
  case $(systemctl is-active "$1" 2>/dev/null) in active | activating | reloading) return 0 ;; esac
  systemctl list-jobs --no-legend "$1" 2>/dev/null | awk '$3 ~ /start$/ { found = 1 } END { exit !found }'
}

# A unit is alive when it is active now and, a second later, still the same activation.
cw_alive() {
  systemctl is-active -q "$1" || return 1
  cw_pid=$(systemctl show -p MainPID --value "$1")
  sleep "$cw_settle"
  systemctl is-active -q "$1" && [ "$(systemctl show -p MainPID --value "$1")" = "$cw_pid" ]
}

cw_words_of() { journalctl -u "$1" -n "${2:-12}" --no-pager -o cat 2>/dev/null; }

# cw_intend_removal N JSON RUN/N: an older entry will be taken back; its resource is saved once more, for the undo of that.
cw_intend_removal() {
  cw_is_whole "$CW/runs/$3" >"$OUT" || cw_fail "failed $1 save 1"
  cw_line=$(cat "$CW/runs/$3.res") || cw_fail "failed $1 save 1"
  eval "cw_intend \"\$1\" \"\$2\" $cw_line"
  printf '%s\n' "$3" >"$D/$1.closes"
  # What it will have become.
  cp "$CW/runs/$3.was" "$D/$1.now"
}

# cw_remove RUN/N [force]: takes an older entry back; the caller marks it as undone.
cw_remove() {
  cw_put_back "$CW/runs/$1" "$2"
  cw_code=$?
  [ $cw_code != 3 ] || echo "somebody changed it since causeway did; it is left as it is"
  return $cw_code
}

# cw_take_back RUN/N FUNCTION [owing]: takes an entry back for good, as a rollback does, and tells how it went. What somebody
# changed since stays (kept), and so does what did not come back although nothing failed (unlike). One that fails is told
# (stuck), and what came before it stays as it is: it may need it.
# One that owes a restart (owing) counts as taken back when that is done, so that a kill in between does not lose it.
cw_take_back() {
  [ -z "$cw_stuck" ] || return 0
  cw_start "$1" || exit 77
  cw_quietly "$2"
  case $? in
    0) cw_taken_back "$1" "$3" ;;
    3) cw_say "kept $1"; cw_tell_output ;;
    4) cw_say "unlike $1"; cw_tell_output ;;
    *) cw_stuck=$1; cw_say "stuck $1"; cw_tell_output ;;
  esac
}

# cw_taken_back RUN/N [owing]: after those of $cw_later, without which nothing of them would be known any more.
cw_taken_back() {
  if [ "$2" = owing ]; then cw_owing="$cw_owing $cw_later $1"; else cw_undone $cw_later "$1"; fi
  cw_say "done $1"
}

cw_tell_output() { tail -c "${1:-4000}" "$OUT" | sed 's/^/@cw | /'; }

# cw_undone RUN/N…: from here on the entries count as taken back.
cw_undone() { for cw_e; do : >"$CW/runs/$cw_e.undone"; done; }

# cw_finish RUN/N: a step that was never finished, and whose task has nothing left to do: it is done.
cw_finish() {
  B=$CW/runs/$1
  cw_is_whole "$B" && cw_resource "$B" || return 0
  rm -f "$B.torn"
  cw_tidy
  cw_settled "$B"
}

# cw_tell_states RUN/N[,RUN/N…]…: how the resource of each entry, newest first, will be when its turn comes: an older entry
# of a resource finds what the newer one restored; after a comma stands what is taken back together with it. For a file
# that somebody changed, and for entries in $cw_diff, both texts.
cw_tell_states() {
  cw_seen=$cw_newline
  for cw_n; do
    cw_later=$(printf %s "${cw_n#"${cw_n%%,*}"}" | tr , ' ') cw_n=${cw_n%%,*}
    cw_e=$CW/runs/$cw_n cw_newer=
    cw_resource "$cw_e" || continue
    case $cw_seen in
      *"$cw_newline$cw_res="*) cw_newer=${cw_seen##*"$cw_newline$cw_res="} cw_newer=${cw_newer%%"$cw_newline"*} ;;
    esac
    case $cw_newer in
      '') cw_is_now=$(cw_state "$cw_e") ;;
      *' other') cw_is_now=other ;;
      *) cw_is_now=$(cw_judge "$cw_e" "$(cat "$CW/runs/${cw_newer% *}.was")") ;;
    esac
    cw_seen="$cw_seen$cw_res=$cw_n $cw_is_now$cw_newline"
    printf 'state %s %s\n' "$cw_n" "$cw_is_now"
    case "$cw_kind $cw_is_now $cw_diff " in 'file other '* | "file "*" $cw_n "*) ;; *) continue ;; esac
    cw_path=$(eval "printf %s $cw_args")
    # A program has no lines to compare.
    [ "$(cat "$cw_path" "$CW/runs/$cw_n.before" 2>/dev/null | wc -c)" -le 1048576 ] || continue
    printf 'now %s\n' "$(base64 -w 0 <"$cw_path" 2>/dev/null)"
    printf 'before %s\n' "$(base64 -w 0 <"$cw_e.before" 2>/dev/null)"
    printf 'meta %s %s\n' "$(sha256sum <"$cw_path" 2>/dev/null | cut -c 1-64)" "$(stat -L -c '%a %u:%g' "$cw_path" 2>/dev/null)"
  done
}

# cw_tell_damaged RUN/N…: those of which something that they keep is not as it was written.
cw_tell_damaged() {
  for cw_n; do cw_what=$(cw_is_whole "$CW/runs/$cw_n") || printf 'damaged %s %s\n' "$cw_n" "$cw_what"; done
}

# cw_give_up WORD UNIT '' | gently N…: a reload or restart failed. The steps that asked for it are undone, newest first, and
# then the unit is started as it was; what the daemon said goes to the report.
cw_give_up() {
  cw_verb=$1 cw_unit=$2
  shift 3
  cat "$OUT" 2>/dev/null >"$OUT.said"
  [ -z "$cw_unit" ] || cw_words_of "$cw_unit" 20 >>"$OUT.said"
  cw_list=
  for cw_n; do cw_list="$cw_n $cw_list"; done
  for cw_n in $cw_list; do
    cw_do() { cw_undo "$D/$cw_n"; }
    if cw_quietly cw_do; then cw_say "undone $cw_n"; else cw_say "stuck $cw_n"; cat "$OUT" >>"$OUT.said"; fi
  done
  if [ -n "$cw_list" ]; then
    systemctl daemon-reload
    # One that did not run before was stopped with them.
    [ -z "$cw_unit" ] || ! cw_is_up "$cw_unit" || { systemctl reset-failed "$cw_unit"; systemctl restart "$cw_unit"; } >/dev/null 2>&1
    cw_await_kept
  fi
  [ -z "$cw_unit" ] || cw_say "unit $cw_unit $(systemctl is-active "$cw_unit")"
  mv "$OUT.said" "$OUT"
  cw_fail "broken $cw_verb $cw_unit"
}

# cw_beside RUN HOST…: they remember for each other that the run was there, should one of them forget.
cw_beside() { printf '%s\n' "$*" >"$CW/beside.new" && mv -f "$CW/beside.new" "$CW/beside"; }

# cw_end RUN STATE: how the run ended on this host; the lock is free again. A run that the lock kept out touches nothing of
# the one that holds it: its folder may have no entries yet.
cw_end() {
  [ ! -d "$CW/runs/$1" ] || printf '%s\n' "$2" >"$CW/runs/$1/end"
  cw_has_lock || return 0
  rm -f "$CW"/out* "$CW"/parked-* "$CW/stop-$1"
  cw_fold "$1" "$cw_keep"
  rm -f "$CW/lock"
}

# cw_fold RUN KEEP: keeps the journal short. Runs of which nothing stands any more go to old/, without the bytes that undo
# needed; of runs older than the newest KEEP, entries of one identity that follow each other on a resource become one:
# the oldest, with what it became last.
cw_fold() (
  cd "$CW/runs" 2>/dev/null || exit 0
  cw_count=$(ls | wc -l)
  if [ "$cw_count" -gt "$2" ]; then
    cw_last=$(ls | sed -n "$((cw_count - $2))p")
    for cw_e in */[0-9]*.json; do
      cw_e=${cw_e%.json}
      expr "${cw_e%/*}" '>' "$cw_last" >/dev/null && break
      [ -f "$cw_e.undone" ] && continue
      if [ -f "$cw_e.closes" ]; then
        # It took an older one back: of the two nothing is left to restore.
        : >"$cw_e.undone"
        continue
      fi
      cw_first=$CW/fold.$(cksum <"$cw_e.res" | tr ' ' -)
      if [ -f "$cw_first" ] && cw_fold_into "$(cat "$cw_first")" "$cw_e"; then
        : >"$cw_e.undone"
        : >"${cw_e%/*}/folded"
      else
        printf '%s\n' "$cw_e" >"$cw_first"
      fi
    done
    rm -f "$CW"/fold.*
    printf '%s\n' "$cw_last" >"$CW/folded"
  fi
  cw_closed=" $(for cw_f in */*.closes; do [ -f "$cw_f" ] && [ ! -f "${cw_f%.closes}.undone" ] && cat "$cw_f"; done | tr '\n' ' ')"
  for cw_run in *; do
    [ -d "$cw_run" ] && [ "$cw_run" != "$1" ] || continue
    cw_any=
    for cw_e in "$cw_run"/[0-9]*.json; do
      [ -f "$cw_e" ] || continue
      cw_any=1
      [ -f "${cw_e%.json}.undone" ] || continue 2
      case $cw_closed in *" ${cw_e%.json} "*) continue 2 ;; esac
    done
    [ -n "$cw_any" ] || : >"$cw_run/stepless"
    mkdir -p "$CW/old" && rm -rf "$CW/old/$cw_run" && mv "$cw_run" "$CW/old/"
    rm -f "$CW/old/$cw_run"/[0-9]*
  done
)

# cw_fold_into OLDER NEWER: the older entry becomes both, if they are of one identity and resource and both were performed.
# It keeps what was before, and what it was changed from in words; the newer one's keys and words are what it says now.
cw_fold_into() {
  [ -f "$1.done" ] && [ -f "$2.done" ] && [ "$(cat "$1.res")" = "$(cat "$2.res")" ] || return 1
  read -r cw_older <"$1.json" && read -r cw_newer <"$2.json" || return 1
  cw_head=${cw_older%%',"owner":'*} cw_tail=${cw_newer#*',"owner":'}
  cw_identity=${cw_older#*',"owner":'}
  [ "${cw_identity%%',"play":'*}" = "${cw_tail%%',"play":'*}" ] || return 1
  (umask 077 && printf '%s,"owner":%s\n' "$cw_head" "$cw_tail" >"$1.json.fold") &&
    cp "$2.now" "$1.now" && cw_sum_without_json "$1" && mv -f "$1.json.fold" "$1.json" && cw_sum_with_json "$1"
}

# A kill while the .json is replaced leaves it without a checksum, rather than with that of another text.
cw_sum_without_json() {
  [ ! -f "$1.sum" ] || { sed "/ ${1##*/}\.json$/d" "$1.sum" >"$1.sum.new" && mv -f "$1.sum.new" "$1.sum"; }
}
cw_sum_with_json() {
  [ ! -f "$1.sum" ] || { { cat "$1.sum" && cw_sum_of_json "$1" "$1.json"; } >"$1.sum.new" && mv -f "$1.sum.new" "$1.sum"; }
}
