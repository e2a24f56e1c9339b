# What the lab's commands share (sourced, not run).
set -euo pipefail
LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$LAB_DIR/../.." && pwd)
. "$LAB_DIR/xen/lib.sh"

# The program as it is shipped, and the runner. The dom0's Debian must have the C library that it was built for.
build_programs() {
    (cd "$ROOT" && cargo build --quiet --release --bin domkeep && cargo build --quiet -p domkeep-lab) || die "the build failed"
}
runner() {
    local target=${CARGO_TARGET_DIR:-$ROOT/target}
    "$target/debug/domkeep-lab" --binary "${DOMKEEP_BINARY:-$target/release/domkeep}" --xen "$LAB_DIR/xen" --lab "$LAB" "$@"
}
