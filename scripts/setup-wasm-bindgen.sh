#!/usr/bin/env bash
# Packs the client's rules for JavaScript, and runs tests as wasm where a client would run them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Both must be of the same version as the crate wasm-bindgen in Cargo.lock.
version="$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"/\1/p;}' "$ROOT/Cargo.lock")"
[ -n "$version" ] || die "Cargo.lock names no wasm-bindgen: is the checkout complete?"
program="$TOOLS/bin/wasm-bindgen" runner="$TOOLS/bin/wasm-bindgen-test-runner"
is_there() { [ "$("$1" --version 2>/dev/null | awk '{print $2}')" = "$version" ]; }

if ! is_there "$program" || ! is_there "$runner"; then
    say "wasm-bindgen $version: building (packs the client's rules for JavaScript, and runs tests as wasm; about two minutes, once)"
    cargo install wasm-bindgen-cli --version "$version" --locked --quiet --force --root "$TOOLS" \
        --bin wasm-bindgen --bin wasm-bindgen-test-runner ||
        die "wasm-bindgen-cli $version could not be built: see cargo's message above."
fi
say "wasm-bindgen $version: ready"
