#!/usr/bin/env bash
# cargo-fuzz and a nightly compiler: coverage-guided fuzzing of whatever strangers can send.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

version=0.13.1
if ! grep -q '^nightly' <<<"$(rustup toolchain list)"; then
    say "Rust nightly: installing (fuzzing instruments the code, which stable Rust cannot)"
    rustup toolchain install nightly --profile minimal --no-self-update || die "Rust nightly could not be installed: see rustup's message above."
fi
if ! [ -x "$TOOLS/cargo-fuzz/bin/cargo-fuzz" ]; then
    say "cargo-fuzz $version: building"
    cargo install --quiet --locked --root "$TOOLS/cargo-fuzz" "cargo-fuzz@$version"
fi
say "cargo-fuzz $version: ready"
