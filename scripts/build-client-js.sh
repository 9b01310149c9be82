#!/usr/bin/env bash
# Builds the npm package of the paying side: client/js/dist, from the rules in Rust and the adapters in TypeScript.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

say "the client for JavaScript: building"
cargo_remapped build --quiet --profile wasm-client --target wasm32-unknown-unknown -p stripe402-client-js
wasm="${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/wasm-client/stripe402_client_js.wasm"
# Newer than what it is made of: nothing to do.
stamp=client/js/dist/built
if [ -f "$stamp" ] && [ "$stamp" -nt "$wasm" ] &&
    [ -z "$(find client/js/src client/js/scripts client/js/package.json client/js/tsconfig*.json -newer "$stamp" -not -path '*/generated*' -print -quit)" ]; then
    say "client/js/dist: up to date"
    exit 0
fi
node client/js/scripts/build.mjs "$wasm" "$TOOLS/bin/wasm-bindgen"
touch "$stamp"
