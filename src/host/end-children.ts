/**
 * A shell function, `cw_end_children PID`: ends every process below a shell, and leaves the shell itself: first asked, a second
 * later made to. What stands right below the shell is held until all that it started has ended: the shell says that a command
 * has ended once that one has, and nothing may be printed after that. It gives 0 when none of them is left.
 */
export const endChildrenFunction = `cw_end_children() (
  below() {
    all= level=$*
    while [ -n "$level" ]; do
      next=
      for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        child=\${line%% *}
        set -- \${line##*) }
        # What has ended waits for its parent, which is held, and is nobody to end.
        [ "$1" != Z ] || continue
        case " $level " in *" $2 "*) next="$next $child" ;; esac
      done
      all="$all$next" level=$next
      [ -z "$once" ] || break
    done
    printf %s "$all"
  }
  held() {
    for child; do
      for try in 1 2 3 4 5 6 7 8 9 10; do
        read -r line 2>/dev/null <"/proc/$child/stat" || break
        case \${line##*) } in [TtZX]*) break ;; esac
        sleep 0.1
      done
    done
  }
  gone() {
    for child; do
      read -r line 2>/dev/null <"/proc/$child/stat" || continue
      case \${line##*) } in Z*) ;; *) return 1 ;; esac
    done
  }
  end() {
    [ $# -gt 0 ] || return 0
    kill -TERM "$@" 2>/dev/null
    kill -CONT "$@" 2>/dev/null
    for try in 1 2 3 4 5 6 7 8 9 10; do
      gone "$@" && return
      sleep 0.1
    done
    for child; do kill -KILL "$child" 2>/dev/null; done
    for try in 1 2 3 4 5 6 7 8 9 10; do
      gone "$@" && return
      sleep 0.1
    done
    return 1
  }
  top=$(once=1 && below "$1")
  [ -n "$top" ] || exit 0
  kill -STOP $top 2>/dev/null
  # A signal is on its way for a moment, in which one more child may be born.
  held $top
  once=
  for round in 1 2 3 4 5; do
    rest=$(below $top)
    [ -n "$rest" ] || break
    end $rest || exit 1
  done
  end $top
)`;

/** A script that does so, of its own. */
export function endChildrenOf(pid: number): string {
  return `${endChildrenFunction}\ncw_end_children ${pid}`;
}
