#!/usr/bin/env bash
# crates.sh package|publish: the crates that others build on, as crates.io takes them. They name each other by version,
# so they are packed and published together, each after those it needs.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

crates=(-p stripe402-mutant -p stripe402-protocol -p stripe402-client -p stripe402-ledger)
case "${1:-}" in
package) cargo package --quiet --locked --no-verify --allow-dirty "${crates[@]}" ;;
# Built and tested before: what is uploaded is not built once more beside a token.
publish) cargo publish --locked --no-verify "${crates[@]}" ;;
*) die "usage: crates.sh package|publish" ;;
esac
