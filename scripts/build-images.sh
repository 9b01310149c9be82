#!/usr/bin/env bash
# Makes dist/oci/ledger and dist/oci/filter: OCI images without a container engine. Prints their digests.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

target="$(./scripts/setup-musl.sh)"
say "the ledger for $target: building"
TARGET_CC=musl-gcc cargo build --quiet --release --target "$target" -p stripe402-ledger
program="${CARGO_TARGET_DIR:-target}/$target/release/stripe402-ledger"
# An interpreter would be missing in an image with nothing else in it.
if has readelf && readelf --program-headers "$program" | grep -q INTERP; then
    die "$program is not linked statically."
fi
cargo build --quiet -p stripe402-images
"${CARGO_TARGET_DIR:-target}/debug/stripe402-images" --ledger "$program" --filter dist/stripe402_filter.wasm |
    while read -r line; do say "$line"; done
