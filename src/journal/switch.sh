# The switch: a run that changes what the host is reached by is taken back by the host itself, unless it is confirmed over a new
# connection. Neither the controller nor the network is needed for that: everything lies in $CW, and survives a reboot.
#
#   $CW/switch/armed       "RUN TOKEN FROM": entries of that run from that number on are not confirmed yet. By one
#                          rename, which only one side can win, it becomes
#   $CW/switch/confirmed   the run reached the host over a new connection; or
#   $CW/switch/reverting   its time was over before, or the host booted: the entries are being taken back
#   $CW/switch/due         when its time is over, in hundredths of a second since the boot
#   $CW/switch/revert      what takes it back: `wait` does so when its time is over, the next boot and the next run at once
#   $CW/switch/routes, chains, chains6   the ways to the host when it was armed (ways.sh)
#   $CW/runs/RUN/reverted  what was taken back, in the lines that a runner follows; when that was due, began and ended

cw_boot_unit=/etc/systemd/system/causeway-revert.service
cw_boot_wish=/etc/systemd/system/multi-user.target.wants/causeway-revert.service

# cw_arm TOKEN SECONDS FROM HASH: from here on the host waits so long for a confirmation. What is armed already by this run is
# renewed, for as long as its present play says. Nothing is performed where it cannot be armed.
cw_arm() {
  cw_switch=$CW/switch
  if read -r cw_of cw_token cw_rest 2>/dev/null <"$cw_switch/armed"; then
    [ "$cw_of $cw_token" = "$cw_run $1" ] || cw_fail "unarmed the switch of run $cw_of is armed"
    cw_renew "$cw_run" "$1" "$2" || cw_fail "unarmed $cw_switch/due"
    return
  fi
  [ ! -e "$cw_switch/reverting" ] || cw_fail "unarmed the host is taking back an earlier run"
  {
    (umask 077 && mkdir -p "$cw_switch" && cw_revert_program "$4" >"$cw_switch/revert" && cw_keep_ways "$cw_switch" &&
      printf '%s %s %s\n' "$cw_run" "$1" "$3" >"$cw_switch/armed.new") &&
      cw_due_in "$2" && cw_arm_boot && cw_arm_timer &&
      cw_sync "$cw_switch"/* "$cw_boot_unit" && mv -f "$cw_switch/armed.new" "$cw_switch/armed" &&
      cw_sync "$cw_switch" "$CW" "${cw_boot_wish%/*}"
  } >"$OUT" 2>&1 || { cw_disarm; cw_fail "unarmed systemd-run --unit=causeway-switch"; }
}

# Beside a timer, which does not survive a reboot. It is read when the host boots, so systemd need not reload for it.
cw_arm_boot() {
  mkdir -p "${cw_boot_wish%/*}" && cat >"$cw_boot_unit" <<END && ln -sfn "$cw_boot_unit" "$cw_boot_wish"
# Written by causeway; it goes away when the run is confirmed or taken back.
[Unit]
Description=Takes back what a run of causeway changed and did not confirm before the host went down
Wants=network-online.target
After=network-online.target docker.service causeway-network.service

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh $CW/switch/revert

[Install]
WantedBy=multi-user.target
END
}

# A unit that waits, and no timer of systemd: one with OnActiveSec begins anew with each daemon-reload (systemd issue 31914; seen
# with 247), so that it would fire late, or never where something keeps reloading.
cw_arm_timer() {
  systemctl stop causeway-switch.service 2>/dev/null
  systemctl reset-failed causeway-switch.service 2>/dev/null
  set -- -q --unit=causeway-switch /bin/sh "$CW/switch/revert" wait
  # Killed however often, it waits again: without a limit of its own systemd gives up after the fifth time in ten seconds (seen with 257).
  # An old systemd does not know these for a unit of a moment: there it waits without a second life.
  systemd-run -p Restart=on-failure -p RestartSec=1 -p StartLimitIntervalSec=0 -p RestartPreventExitStatus=78 "$@" 2>/dev/null ||
    systemd-run "$@"
}

# Hundredths of a second since the boot.
cw_uptime() {
  read -r cw_up cw_rest </proc/uptime
  printf %s "${cw_up%.*}${cw_up#*.}"
}

cw_due_in() { echo $(($(cw_uptime) + $1 * 100)) >"$CW/switch/due.new" && mv -f "$CW/switch/due.new" "$CW/switch/due"; }

# cw_renew RUN TOKEN SECONDS: it waits so long from now on, unless its time is over.
cw_renew() {
  read -r cw_of cw_token cw_rest 2>/dev/null <"$CW/switch/armed" && [ "$cw_of $cw_token" = "$1 $2" ] && cw_due_in "$3"
}

# Returns when the time is over, or nothing is armed any more.
cw_wait() {
  while read -r cw_due 2>/dev/null <"$CW/switch/due"; do
    cw_left=$((cw_due - $(cw_uptime)))
    [ $cw_left -gt 0 ] || return 0
    sleep "$((cw_left / 100)).$((cw_left / 10 % 10))$((cw_left % 10))"
  done
}

cw_revert_program() {
  cat <<END
#!/bin/sh
# Written by causeway: takes back what a run did and did not confirm.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
cd /
[ "\$(sha256sum <$CW/lib-$1.sh | cut -c 1-12)" = $1 ] || { echo "$CW/lib-$1.sh is not as it was written"; exit 78; }
. $CW/lib-$1.sh
[ "\$1" != wait ] || cw_wait
cw_revert "\$1"
END
}

# cw_confirm RUN TOKEN: the run reached the host over a new connection. It is too late once the host takes the run back.
cw_confirm() {
  cw_switch=$CW/switch
  read -r cw_of cw_token cw_rest 2>/dev/null <"$cw_switch/armed" && [ "$cw_of $cw_token" = "$1 $2" ] &&
    mv -f "$cw_switch/armed" "$cw_switch/confirmed" 2>/dev/null || { cw_tell_unconfirmed "$1"; exit 79; }
  cw_sync "$cw_switch"
  cw_disarm
}

cw_tell_unconfirmed() {
  if [ -e "$CW/switch/reverting" ]; then
    cw_say "unconfirmed reverting"
  elif [ -f "$CW/runs/$1/reverted" ]; then
    cw_say "unconfirmed reverted $(cat "$CW/runs/$1/end" 2>/dev/null)"
    cat "$CW/runs/$1/reverted"
  else
    cw_say "unconfirmed absent"
  fi
}

# cw_disarm [wait]: nothing is armed any more; to stop who waits is only tidying up. systemd forgets the unit of the boot, if
# anything made it reload since.
cw_disarm() {
  [ "$1" = wait ] || systemctl stop causeway-switch.service 2>/dev/null
  rm -f "$cw_boot_wish" "$cw_boot_unit"
  rm -rf "$CW/switch"
  rmdir "${cw_boot_wish%/*}" 2>/dev/null
  [ "$(systemctl show -p LoadState --value causeway-revert.service)" != loaded ] || systemctl daemon-reload
}

# cw_revert [wait]: takes back the entries of the run that is armed, or goes on with it where a reboot came in between.
cw_revert() {
  mv -f "$CW/switch/armed" "$CW/switch/reverting" 2>/dev/null
  read -r cw_run cw_token cw_from 2>/dev/null <"$CW/switch/reverting" || exit 0
  D=$CW/runs/$cw_run
  umask 077
  cw_sync "$CW/switch"
  cw_alone "$cw_taker, which takes back run $cw_run"
  OUT=$CW/out.revert
  echo "$cw_run reverted" >"$CW/head.new" && mv -f "$CW/head.new" "$CW/head"
  {
    cw_say "due $(cat "$CW/switch/due") begun $(cw_uptime)"
    cw_revert_entries
    cw_put_ways_back "$CW/switch"
    cw_say "over $(cw_uptime)"
  } >>"$D/reverted"
  # Marks are files: it is finished when they are, whatever a pipe makes of an exit code.
  cw_end_state=reverted
  ! cw_entries_left | grep -q . || cw_end_state='partly reverted'
  printf '%s\n' "$cw_end_state" >"$D/end"
  cw_sync "$D"/* "$D" "$CW/head"
  rm -f "$CW"/out* "$CW"/parked-* "$CW/stop-$cw_run"
  # The lock goes last: who comes to it finds nothing to take back, and ends no run that took it since.
  cw_disarm "$1"
  rm -f "$CW/lock"
}

cw_taker='its own timer'

# cw_alone WORDS: takes the lock. Who else takes the run back (the unit that waits, the next boot, the next run) is not disturbed;
# once that one is done, so is this one.
cw_alone() {
  while [ -e "$CW/switch/reverting" ]; do
    cw_seize
    if (cw_lock "$1") >/dev/null; then
      [ ! -e "$CW/switch/reverting" ] || return 0
      cw_unlock
    fi
    sleep 0.2
  done
  exit 0
}

# The runner that is cut off, or late, does not go on: what its shell runs is ended, and then that shell.
cw_seize() {
  [ -f "$CW/lock" ] && cw_holder_alive "$CW/lock" || return 0
  read -r cw_holder cw_since cw_of_boot cw_rest <"$CW/lock"
  case $cw_rest in "$cw_taker"*) return 0 ;; esac
  cw_end_children "$cw_holder"
  kill -KILL "$cw_holder" 2>/dev/null
  for cw_try in 1 2 3 4 5 6 7 8 9 10; do
    cw_holder_alive "$CW/lock" || return 0
    sleep 0.1
  done
}

# "PLAY NUMBER" of what the switch takes back and has not yet, newest first, plays backwards.
cw_entries_left() {
  for cw_f in "$D"/[0-9]*.json; do
    [ -f "$cw_f" ] && [ ! -f "${cw_f%.json}.undone" ] || continue
    cw_n=${cw_f##*/} cw_n=${cw_n%.json}
    [ "$cw_n" -lt "$cw_from" ] && continue
    if [ ! -f "$D/$cw_n.begun" ]; then : >"$D/$cw_n.undone"; continue; fi
    cw_play=$(cat "$cw_f") cw_play=${cw_play#*'"play":'}
    echo "${cw_play%%,*} $cw_n"
  done | sort -k 1,1nr -k 2,2nr
}

cw_revert_entries() {
  cw_plays=$(cw_entries_left | cut -d ' ' -f 1 | uniq)
  for cw_p in $cw_plays; do
    cw_stuck='' cw_owing='' cw_causes=''
    for cw_n in $(cw_entries_left | sed -n "s/^$cw_p //p"); do
      cw_e=$cw_run/$cw_n
      cw_do() { cw_put_back_and_say "$CW/runs/$cw_e"; }
      cw_asks=$(cw_causes_of "$D/$cw_n.json")
      cw_take_back "$cw_e" cw_do ${cw_asks:+owing}
      [ ! -f "$D/$cw_n.begun" ] || cw_causes="$cw_causes$cw_newline$cw_asks"
    done
    cw_causes=$(printf '%s\n' "$cw_causes" | sed '/./!d' | cw_causes_in_order)
    case $cw_causes in *restart*) cw_open_ways "$cw_causes" ;; esac
    printf '%s\n' "$cw_causes" | sed '/./!d' | while read -r cw_word cw_unit; do
      ! cw_spared "$cw_unit" gently </dev/null || continue
      cw_say "begin $cw_word${cw_unit:+ $cw_unit}"
      if cw_consequence "$cw_word" "$cw_unit"; then cw_say "end $cw_word${cw_unit:+ $cw_unit}"; else cw_say "broken $cw_word $cw_unit"; cw_tell_output; fi </dev/null
    done
    cw_await_kept
    cw_look_again
    cw_undone $cw_owing
    [ -z "$cw_stuck" ] || return 0
  done
}

# cw_open_ways CAUSES: who is cut off gets in before the restarts, and need not wait for them.
cw_open_ways() {
  cw_put_ways_back "$CW/switch"
  case $1 in *'restart docker'*) cw_free_of_docker0 "$CW/switch" ;; esac
  cw_say "open $(cw_uptime)"
}

# cw_put_back_and_say ENTRY: what stays is named, with the reason.
cw_put_back_and_say() {
  cw_why=$(cw_put_back_alone "$1" 2>&1) && return 0
  cw_code=$?
  cw_what=$(sed 's/.*"what":"//; s/".*//' "$1.json")
  echo "${cw_what:-a step} is left as it is: ${cw_why:-somebody changed it since causeway did}"
  return $cw_code
}

# cw_put_back_alone ENTRY: what a runner does with its own means, too: what cannot be undone is left, and keys of a JSON file
# are taken back beside what somebody else changed there.
cw_put_back_alone() {
  cw_is_whole "$1" || return 3
  case $(cat "$1.json") in *',"irreversible":'*) echo 'it cannot be undone'; return 3 ;; esac
  cw_put_back "$1"
  cw_code=$?
  [ $cw_code = 3 ] || return $cw_code
  case $(cat "$1.json") in *'"keys":{'*) (eval "cw_keys_back $cw_args") ;; *) return 3 ;; esac
}

# cw_keys_back PATH: our keys of the JSON file as they were before; 3 where somebody changed one of them since.
cw_keys_back() {
  [ -f "$1" ] && [ "$(wc -c <"$1")" -le 65536 ] || return 3
  [ -f "$B.before" ] && cw_before=$B.before || cw_before=/dev/null
  cw_keys_merged "$1" "$cw_before" "$B.json" >"$OUT.json" || { rm -f "$OUT.json"; return 3; }
  set -- "$1" $(stat -L -c '%a %u:%g' -- "$1")
  cw_file_write "$1" "$2" "$3" <"$OUT.json"
  cw_code=$?
  rm -f "$OUT.json"
  return $cw_code
}

# cw_keys_merged NOW BEFORE ENTRY: the text of NOW, with the keys of the entry as BEFORE has them.
cw_keys_merged() {
  LC_ALL=C awk '
    function whole(file,   line, text) {
      while ((getline line <file) > 0) text = text line "\n"
      return text
    }
    # Takes the members of an object apart: K are their keys, V their values without spaces, R as written, from S to E.
    function take(doc, t,   i, c, depth, quoted, word, key, from, at, last, n) {
      for (i = 1; i <= length(t); i++) {
        c = substr(t, i, 1)
        if (!quoted && c ~ /[ \t\r\n]/) continue
        if (!quoted) {
          if (c == "{" || c == "[") { if (++depth == 1) { if (c != "{") return -1; continue } }
          if (c == "}" || c == "]") depth--
          if ((c == "," && depth == 1) || (c == "}" && depth == 0)) {
            if (word != "") { n++; K[doc, n] = key; V[doc, n] = word; R[doc, n] = substr(t, at, last - at + 1); S[doc, n] = from; E[doc, n] = last }
            if (depth == 0) { end[doc] = i; return n + 0 }
            word = key = ""; from = at = 0
            continue
          }
          if (c == ":" && depth == 1 && key == "") { key = word; word = ""; continue }
        }
        if (quoted && c == "\\") { word = word c; c = substr(t, ++i, 1) }
        else if (c == "\"") quoted = !quoted
        if (!from) from = i
        if (key != "" && !at) at = i
        word = word c; last = i
      }
      return -1
    }
    function find(doc, n, key,   i) { for (i = 1; i <= n; i++) if (K[doc, i] == key) return i; return 0 }
    BEGIN {
      entry = take("entry", whole(ARGV[3]))
      ours = take("ours", R["entry", find("entry", entry, "\"keys\"")])
      before = take("before", whole(ARGV[2]))
      text = whole(ARGV[1])
      for (o = 1; o <= ours; o++) {
        now = take("now", text)
        if (now < 0) exit 3
        i = find("now", now, K["ours", o])
        if ((i ? V["now", i] : "null") != V["ours", o]) exit 3
        b = find("before", before, K["ours", o])
        if (i && b) text = substr(text, 1, E["now", i] - length(R["now", i])) R["before", b] substr(text, E["now", i] + 1)
        else if (i && i < now) text = substr(text, 1, S["now", i] - 1) substr(text, S["now", i + 1])
        else if (i) text = substr(text, 1, i > 1 ? E["now", i - 1] : S["now", i] - 1) substr(text, E["now", i] + 1)
        else if (b) text = substr(text, 1, now ? E["now", now] : end["now"] - 1) (now ? ", " : "") K["ours", o] ": " R["before", b] substr(text, now ? E["now", now] + 1 : end["now"])
      }
      printf "%s", text
    }' "$1" "$2" "$3"
}

# cw_causes_of JSON: the reloads and restarts that the entry asks for, a line each. A quote inside a string has a backslash
# before it, so that the first of these words is the key.
cw_causes_of() {
  cw_line=$(cat "$1") cw_line=${cw_line#*'"causes":['} cw_line=${cw_line%%]*}
  printf '%s\n' "$cw_line" | tr '{' '\n' | sed -n 's/^"do":"\([a-z-]*\)"\(,"unit":"\([^"]*\)"\)\{0,1\}.*/\1 \3/p'
}

# As a runner has them: daemon-reload, reloads, restarts; Docker after what it needs.
cw_causes_in_order() {
  sort -u | sed 's/^daemon-reload.*/0 &/; s/^reload docker\(\.service\)\{0,1\}$/2 &/; s/^reload/1 &/; s/^restart docker\(\.service\)\{0,1\}$/4 &/; s/^restart/3 &/' |
    sort -s -k 1,1n | cut -d ' ' -f 2-
}
