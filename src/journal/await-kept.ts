/**
 * A shell function, `cw_await_kept`: returns when causeway-network.service has put back what it keeps. Docker's restart puts
 * its own rules in front of ours, and hands itself on to that unit; systemd does that once Docker is up, and whoever restarted
 * Docker does not wait for it. The same at boot. Who looked in between would find rules missing, or behind others. It waits for
 * at most half a minute: what hangs is not its business.
 */
export const awaitKeptFunction = `cw_await_kept() {
  [ -x /etc/causeway/apply ] || return 0
  read -r cw_up cw_rest </proc/uptime
  cw_until=$((\${cw_up%.*} + 30))
  while [ "\${cw_up%.*}" -lt $cw_until ]; do
    case $(systemctl list-jobs --no-legend causeway-network.service 2>/dev/null) in
      *causeway-network.service*) ;;
      *) return 0 ;;
    esac
    sleep 0.1
    read -r cw_up cw_rest </proc/uptime
  done
}`;
