#!/usr/bin/env bash
# build-images.sh [LEDGER…]: makes dist/oci/ledger and dist/oci/filter, OCI images without a container engine, and
# prints their digests. LEDGER is a static program; of several, for different machines, one image is made. Without any,
# the ledger is built for this machine.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

if [ $# -eq 0 ]; then
    target="$(./scripts/setup-musl.sh)"
    say "the ledger for $target: building"
    TARGET_CC=musl-gcc cargo_remapped build --quiet --locked --release --target "$target" -p stripe402-ledger
    set -- "${CARGO_TARGET_DIR:-target}/$target/release/stripe402-ledger"
fi
ledgers=()
for program in "$@"; do
    # An interpreter would be missing in an image with nothing else in it.
    if has readelf && readelf --program-headers "$program" | grep -q INTERP; then
        die "$program is not linked statically."
    fi
    ledgers+=(--ledger "$program")
done
cargo build --quiet -p stripe402-images
"${CARGO_TARGET_DIR:-target}/debug/stripe402-images" "${ledgers[@]}" --filter dist/stripe402_filter.wasm |
    while read -r line; do say "$line"; done
