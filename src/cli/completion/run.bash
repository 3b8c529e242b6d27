# Completion of causeway's run, for bash 4 or newer: source <(run completion bash)
_causeway_run() {
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]/#\~\//"$HOME/"}" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1)
}
complete -o default -F _causeway_run run
