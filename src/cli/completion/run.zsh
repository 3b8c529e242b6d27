#compdef run
# Completion of causeway's run, for zsh, behind compinit: source <(run completion zsh)
_causeway_run() {
  local line program=${(Q)words[1]}
  program=${program/#\~\//$HOME/}
  local -a lines items
  lines=("${(@f)$($program completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    items+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  if (( ${#items} )); then
    _describe run items
  else
    _files
  fi
}
compdef _causeway_run run
