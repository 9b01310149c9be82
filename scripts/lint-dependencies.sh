#!/usr/bin/env bash
# cargo-deny by the rules of deny.toml; known vulnerabilities too, where their database can be had.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

deny() { "$TOOLS/venv/bin/cargo-deny" --log-level error "$@"; }

deny check licenses bans sources

# The database comes from the network; a machine without it must still be able to lint.
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
if timeout 60 "$TOOLS/venv/bin/cargo-deny" --log-level error fetch db >"$log" 2>&1; then
    deny check advisories
else
    say "advisories: NOT checked, their database could not be fetched ($(head -c 160 "$log" | head -n 1))"
fi
