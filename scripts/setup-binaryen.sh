#!/usr/bin/env bash
# setup-binaryen.sh VERSION: wasm-opt, which takes a sixth off the filter. Pinned, since another version makes another file.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

version="$1"
folder="$TOOLS/binaryen-$version"

if ! [ -f "$folder/node_modules/.package-lock.json" ]; then
    has node || die "node is missing: install Node.js 18 or newer (it runs wasm-opt), then run make again."
    has npm || die "npm is missing: install it beside Node.js, then run make again."
    say "binaryen $version: installing (wasm-opt makes the filter small)"
    rm -rf "$folder"
    mkdir -p "$folder"
    npm --prefix "$folder" install --silent --no-audit --no-fund --no-save --ignore-scripts "binaryen@$version" ||
        die "binaryen $version could not be installed with npm: see its message above."
fi
say "binaryen $version: ready"
