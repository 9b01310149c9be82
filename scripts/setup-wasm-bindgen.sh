#!/usr/bin/env bash
# Runs the protocol's golden tests as wasm under Node, where a client would run them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The runner must be of the same version as the crate wasm-bindgen in Cargo.lock.
version="$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"/\1/p;}' "$ROOT/Cargo.lock")"
[ -n "$version" ] || die "Cargo.lock names no wasm-bindgen: is the checkout complete?"
runner="$TOOLS/bin/wasm-bindgen-test-runner"

if [ "$("$runner" --version 2>/dev/null | awk '{print $2}')" != "$version" ]; then
    say "wasm-bindgen-test-runner $version: building (runs the protocol's tests as wasm; about two minutes, once)"
    cargo install wasm-bindgen-cli --version "$version" --locked --quiet --root "$TOOLS" \
        --bin wasm-bindgen-test-runner ||
        die "wasm-bindgen-cli $version could not be built: see cargo's message above."
fi
say "wasm-bindgen-test-runner $version: ready"
