# run DONE UNDO: whatever no other kind covers: a script that tells whether it is done, and one that undoes it.

cw_run_token() { if (eval "$1") >/dev/null 2>&1 </dev/null; then echo done; else echo missing; fi; }

cw_run_save() { :; }

cw_run_restore() { eval "$2"; }

# An undo that does nothing promises nothing.
cw_run_stays() { [ "$4" != true ] && [ "$4" != : ] && [ "$1-$2" = missing-done ] && echo 'its undo ended well, and it is still done'; }
