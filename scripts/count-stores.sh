#!/usr/bin/env bash
# How many cases of the one suite each store has just been put to: run after the tests, with cargo's selection of packages.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

say 'cases of the suite that every store passed:'
cargo test --quiet "$@" --test stores --test postgres --test redis -- --list |
    sed -n 's/: test$//p' |
    awk -F:: '
        /^embedded::/ { name = "embedded" }
        /^in_memory::/ { name = "in memory (the example)" }
        /^suite::/ { name = "PostgreSQL" }
        /^conformance::standalone::/ { name = "Redis" }
        /^conformance::cluster::/ { name = "Redis Cluster of three" }
        !/^(embedded|in_memory|suite|conformance)::/ { next }
        { count[name]++ }
        END { for (name in count) printf "    %-26s%d\n", name, count[name] }' | sort

say 'hammered, on every store:'
packages=("$@")
hammer() {
    cargo test --quiet "${packages[@]}" --test "$2" "$3::hammering" -- --nocapture |
        sed -n "s/.*\(64 tasks.*\)/    $1: \1/p"
}
hammer 'embedded' stores embedded
hammer 'PostgreSQL' postgres suite
hammer 'Redis' redis conformance::standalone
hammer 'Redis Cluster of three' redis conformance::cluster
