#!/usr/bin/env bash
# The border between the client's rules and JavaScript, tested as wasm: under Node, then in Chromium.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$TOOLS/bin/wasm-bindgen-test-runner"
border=(cargo test -p stripe402-client-js --target wasm32-unknown-unknown --test border)
"${border[@]}"

# The driver gives the browser a profile of its own, and removes it. webdriver.json beside the crate
# says how the browser starts.
CHROMEDRIVER="$(command -v chromedriver)" WASM_BINDGEN_USE_BROWSER=1 "${border[@]}"
