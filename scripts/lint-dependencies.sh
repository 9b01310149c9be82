#!/usr/bin/env bash
# cargo-deny by the rules of deny.toml; known vulnerabilities too, where their database can be had.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

deny() { "$TOOLS/venv/bin/cargo-deny" --log-level warn "$@"; }

deny check licenses bans sources

# The database comes from the network; a machine without it must still be able to lint.
if timeout 60 "$TOOLS/venv/bin/cargo-deny" --log-level off fetch db >/dev/null 2>&1; then
    deny check advisories
else
    say "advisories: NOT checked, because their database could not be fetched from GitHub"
fi
