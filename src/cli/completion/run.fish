# Completion of causeway's run, for fish: run completion fish | source
function __causeway_run
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l current (commandline -ct)
    $program completion words -- $words "$current" 2>/dev/null
end
complete -c run -a '(__causeway_run)'
