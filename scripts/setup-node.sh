#!/usr/bin/env bash
# Node runs the wasm tests and the client for JavaScript.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

has node || die "node is missing: install Node.js 18 or newer (it runs the wasm tests), then run make again."
major="$(node -p 'process.versions.node.split(".")[0]')"
[ "$major" -ge 18 ] || die "node is version $major: install Node.js 18 or newer, then run make again."

# packages FOLDER WHAT: what a package-lock.json names, once.
packages() {
    has npm || die "npm is missing: install it beside Node.js, then run make again."
    # npm writes this file last, so it is newer than the lock exactly when that lock was installed.
    if ! [ "$ROOT/$1/node_modules/.package-lock.json" -nt "$ROOT/$1/package-lock.json" ]; then
        say "Node packages: installing ($2)"
        npm --prefix "$ROOT/$1" ci --silent --no-audit --no-fund ||
            die "npm ci in $1 failed: see its message above."
    fi
}
packages client/js "TypeScript, and axios to be wrapped"
# x402-fetch needs wagmi for a page that nothing here opens: package.json takes the release that brings no wallets.
packages tests/sdks "clients of MPP and x402, which the tests pay with"
say "Node $major: ready"
