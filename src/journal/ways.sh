# The ways to a host: its routes, and the chains of its firewall. A restart may take them away although no step did, as where a
# firewall's script runs with Docker, or the network is set up anew: then no entry of the journal brings them back. They are
# kept while the switch is armed, and what is missing after the undo is put back. What somebody added since stays.

# cw_keep_ways FOLDER. Of another boot they tell nothing: that brings what it brings.
cw_keep_ways() {
  cat /proc/sys/kernel/random/boot_id >"$1/boot" && cw_routes_now >"$1/routes" && cw_chains_now >"$1/chains"
}

# cw_put_ways_back FOLDER: says what it put back.
cw_put_ways_back() {
  [ "$(cat "$1/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 0
  cw_routes_now >"$1/routes.now"
  # A neighbour can only be named once the route to its link is there.
  { grep -v ' via ' "$1/routes"; grep ' via ' "$1/routes"; } | grep -vxF -f "$1/routes.now" | while read -r cw_way; do
    ip -4 route add $cw_way 2>/dev/null && cw_say "| put back, as a restart took it away: ip route add $cw_way"
  done
  cw_chains_now >"$1/chains.now"
  cw_emptied "$1/chains" "$1/chains.now" >"$1/chains.back"
  [ -s "$1/chains.back" ] || return 0
  { echo '*filter'; cat "$1/chains.back"; echo COMMIT; } | cw_iptables_load &&
    sed 's/^/@cw | put back, as a restart took it away: /' "$1/chains.back"
}

# Routes that a routing daemon learnt are its own to bring back.
cw_routes_now() {
  ip -4 -o route show table main | tr -d '\\' | sed 's/ linkdown//g; s/ dead//g; s/ *$//' |
    grep -vE ' proto (bird|babel|bgp|zebra|isis|ospf|rip|eigrp|ra|redirect)( |$)'
  true
}

cw_chains_now() {
  ! command -v iptables-save >/dev/null || iptables-save | sed -n '/^\*filter/,/^COMMIT/p' | grep -E '^(:|-A )'
  true
}

# cw_emptied WAS NOW: the lines that fill the chains again of which no rule is left. Docker's own are Docker's; whether packets
# are forwarded decides nothing about the host.
cw_emptied() {
  LC_ALL=C awk '
    { chain = $1 == "-A" ? $2 : substr($1, 2) }
    chain ~ /^(DOCKER|FORWARD$)/ { next }
    FILENAME == ARGV[1] && $1 != "-A" { policy[chain] = $2; order[++chains] = chain }
    FILENAME == ARGV[1] && $1 == "-A" { rules[chain, ++count[chain]] = $0 }
    FILENAME == ARGV[2] && $1 != "-A" { is[chain] = $2 }
    FILENAME == ARGV[2] && $1 == "-A" { there[$0] }
    END {
      for (c = 1; c <= chains; c++) {
        chain = order[c]
        if (!(chain in is) || policy[chain] != is[chain]) print ":" chain, policy[chain], "[0:0]"
      }
      for (c = 1; c <= chains; c++) {
        chain = order[c]
        left = 0
        for (i = 1; i <= count[chain]; i++) left += (rules[chain, i] in there)
        for (i = 1; i <= count[chain] && !left; i++) { sub(/^-A [^ ]+/, "-I " chain " " i, rules[chain, i]); print rules[chain, i] }
      }
    }' "$1" "$2"
}
