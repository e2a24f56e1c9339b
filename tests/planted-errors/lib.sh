# What both players of the patches share (sourced, not run): tests/planted-errors/run and tests/lab/planted.

# field PATCH NAME: the value of one of the lines at a patch's head.
field() { sed -n "/^---/q;s/^$2: //p" "$1"; }

# wanted NAME WORD...: whether a name holds one of the words, or there are none.
wanted() {
    local name=$1 word
    shift
    [ $# -eq 0 ] && return 0
    for word in "$@"; do [[ $name == *"$word"* ]] && return 0; done
    return 1
}

# copy_tree FROM TO: the tree as it is now, without what git ignores.
copy_tree() {
    rm -rf "$2" && mkdir -p "$2" || exit 1
    # -m: as new, or cargo would take what it built from a broken file for fresh.
    (cd "$1" && git ls-files -z -co --exclude-standard | tar --null --files-from=- -cf - 2>/dev/null) | tar -xmf - -C "$2"
}
