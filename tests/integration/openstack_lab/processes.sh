# What `up` and `down` know of the processes.

# FILE: whether the process whose id is there runs, and is the one that `up` started. An
# id that another program has by now is nobody's.
is_ours() {
    [ -s "$1" ] || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$1")/cmdline" | grep -qF -- "$1"
}
