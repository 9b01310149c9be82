#!/usr/bin/env bash
# Walks through a payment at what `make run` started; waits while that is still being built.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lock="$ROOT/target/run.lock"
if [ -n "${CARGO_TARGET_DIR:-}" ]; then lock="$CARGO_TARGET_DIR/run.lock"; fi
if has flock && [ -e "$lock" ] && ! flock --nonblock "$lock" true; then
    say "make run is still building: waiting until it serves"
    flock "$lock" true
    url="http://127.0.0.1:${GATEWAY_PORT:-10000}/api/weather"
    for _ in $(seq 60); do
        [ "$(curl --silent --noproxy '*' --output /dev/null --write-out '%{http_code}' "$url")" != 402 ] || break
        sleep 1
    done
fi
if [ -n "${STRIPE402_DIST:-}" ]; then exec "$STRIPE402_DIST/stripe402-demo"; fi
cd "$ROOT"
cargo build --quiet -p stripe402-dev --bin stripe402-demo
exec "${CARGO_TARGET_DIR:-target}/debug/stripe402-demo"
