# The ways to a host: its routes, and the chains of its firewall. A restart may take them away although no step did, as where a
# firewall's script runs with Docker, or the network is set up anew: then no entry of the journal brings them back. They are
# kept while the switch is armed, and what is missing after the undo is put back, before a restart in it as well, which may take
# long. What somebody added since stays.

# cw_keep_ways FOLDER. Of another boot they tell nothing: that brings what it brings.
cw_keep_ways() {
  cat /proc/sys/kernel/random/boot_id >"$1/boot" && cw_routes_now >"$1/routes" && cw_chains_now iptables >"$1/chains" &&
    cw_chains_now ip6tables >"$1/chains6"
}

# cw_put_ways_back FOLDER: says what it put back.
cw_put_ways_back() {
  [ "$(cat "$1/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 0
  cw_routes_now >"$1/routes.now"
  # A neighbour can only be named once the route to its link is there.
  { grep -v ' via ' "$1/routes"; grep ' via ' "$1/routes"; } | grep -vxF -f "$1/routes.now" | while read -r cw_family cw_way; do
    ip $cw_family route add $cw_way 2>/dev/null && cw_say "| put back: ip $cw_family route add $cw_way"
  done
  cw_put_chains_back iptables filter "$1/chains"
  cw_put_chains_back ip6tables ip6:filter "$1/chains6"
}

# cw_free_of_docker0 FOLDER: before Docker restarts with its settings of before. An address that docker0 got since may be one of the
# hosts' own network, and hold back every answer of this host until then.
cw_free_of_docker0() {
  cw_routes_now | grep -vxF -f "$1/routes" | grep ' dev docker0 ' | while read -r cw_family cw_net cw_rest; do
    for cw_address in $(ip "$cw_family" -o address show dev docker0 to "$cw_net" | awk '{ print $4 }'); do
      ip "$cw_family" address del "$cw_address" dev docker0 2>/dev/null && cw_say "| taken away: the address $cw_address of docker0"
    done
  done
}

# cw_put_chains_back PROGRAM TABLE FILE
cw_put_chains_back() {
  cw_chains_now "$1" >"$3.now"
  cw_emptied "$3" "$3.now" >"$3.back"
  [ -s "$3.back" ] || return 0
  { echo "*$2"; cat "$3.back"; echo COMMIT; } | cw_iptables_load &&
    sed "s/^/@cw | put back: $1 /" "$3.back"
}

# A line each, as `ip` takes it: "-6 fd00:8::/64 via fd00::1 dev eth0". Routes that a routing daemon or a router told are theirs to
# bring back; what an interface has by itself comes with it.
cw_routes_now() {
  { ip -4 -o route show table main; echo; ip -6 -o route show table main 2>/dev/null; } | LC_ALL=C awk '
    BEGIN { family = "-4" }
    /^$/ { family = "-6"; next }
    / proto (bird|babel|bgp|zebra|isis|ospf|rip|eigrp|ra|redirect)( |$)/ || / expires / { next }
    family == "-6" && /^(fe[89ab][0-9a-f]:|::1 |(anycast|local|multicast) )/ { next }
    { gsub(/\\|\t/, " "); gsub(/ (linkdown|dead|error -?[0-9]+)/, ""); gsub(/  +/, " "); sub(/ +$/, ""); print family, $0 }'
  true
}

# cw_chains_now PROGRAM: of iptables or ip6tables, where the host has it.
cw_chains_now() {
  ! command -v "$1-save" >/dev/null ||
    "$1-save" 2>/dev/null | LC_ALL=C awk '/^\*/ { of = $0 } of == "*filter" && /^(:|-A )/'
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
