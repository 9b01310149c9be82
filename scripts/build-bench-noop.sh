#!/usr/bin/env bash
# Builds the filter that does nothing, which `make bench` measures beside the real one. Never shipped.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

cargo build --quiet --profile wasm --target wasm32-wasip1 -p stripe402-bench-noop
built="${CARGO_TARGET_DIR:-target}/wasm32-wasip1/wasm/stripe402_bench_noop.wasm"
wasm=dist/bench/noop.wasm
mkdir -p dist/bench
# A gateway that is running maps the old file: replace it whole, and only if it changed.
cmp -s "$built" "$wasm" || { cp "$built" "$wasm.new" && mv "$wasm.new" "$wasm"; }
