#!/usr/bin/env bash
# Builds what `make run` starts, and starts it. With STRIPE402_DIST, a folder of programs that a release has, it builds
# nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if [ -n "${STRIPE402_DIST:-}" ]; then
    dist="$(cd "$STRIPE402_DIST" 2>/dev/null && pwd)" || die "STRIPE402_DIST=$STRIPE402_DIST is no folder."
    for file in stripe402-run stripe402-ledger stripe-sim demo-api stripe402_filter.wasm; do
        [ -f "$dist/$file" ] || die "$dist has no $file: name the folder of a release, unpacked, in STRIPE402_DIST."
    done
    cd "$ROOT"
    ./scripts/setup-envoy.sh
    say "programs: those in $dist; nothing is built"
    export STRIPE402_WORKSPACE="$ROOT" STRIPE402_FILTER_WASM="$dist/stripe402_filter.wasm"
    exec "$dist/stripe402-run"
fi

cd "$ROOT"
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
# `make demo` sees by this lock that it has to wait.
if has flock; then
    exec 9>"$target/run.lock"
    flock 9
fi
if ! [ -x "$target/debug/stripe402-run" ] || ! [ -f dist/stripe402_filter.wasm ]; then
    say "the first build: about 5 minutes on two cores, and 3 GB of disk; later ones take seconds"
fi
"${MAKE:-make}" --no-print-directory setup-run wasm parts
exec 9>&-
exec "$target/debug/stripe402-run"
