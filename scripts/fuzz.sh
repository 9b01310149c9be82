#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET…]: fuzzes each target for so long, starting from the committed corpus. What is new
# and covers new code stays in target/fuzz-corpus; a crash is kept in fuzz/artifacts, and ends this.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seconds="$1"
shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(payment headers config path metadata answer meter message)
"$ROOT/scripts/setup-fuzz.sh"
PATH="$TOOLS/cargo-fuzz/bin:$PATH"
cd "$ROOT"
for target in "${targets[@]}"; do
    say "fuzzing $target for $seconds seconds"
    mkdir -p "target/fuzz-corpus/$target"
    cargo +nightly fuzz run --fuzz-dir fuzz --target-dir target/fuzz "$target" \
        "target/fuzz-corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -verbosity=0
done
