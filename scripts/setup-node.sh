#!/usr/bin/env bash
# Node runs the wasm tests, and Stripe's own Node library against the stand-in.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

has node || die "node is missing: install Node.js 18 or newer (it runs the wasm tests), then run make again."
major="$(node -p 'process.versions.node.split(".")[0]')"
[ "$major" -ge 18 ] || die "node is version $major: install Node.js 18 or newer, then run make again."

packages="$ROOT/tests/stripe-sim/node"
if [ -f "$packages/package.json" ]; then
    has npm || die "npm is missing: install it beside Node.js, then run make again."
    # npm writes this file last, so it is newer than the lock exactly when that lock was installed.
    if ! [ "$packages/node_modules/.package-lock.json" -nt "$packages/package-lock.json" ]; then
        say "Node packages: installing (Stripe's own library, which the stand-in must satisfy)"
        npm --prefix "$packages" ci --silent --no-audit --no-fund ||
            die "npm ci in tests/stripe-sim/node failed: see its message above."
    fi
fi
say "Node $major: ready"
