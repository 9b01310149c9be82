#!/usr/bin/env bash
# The Rust that rust-toolchain.toml names, its wasm targets, and a C compiler for the crates that need one.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

toml_words() { sed -n "s/^$1 = \[\(.*\)\].*/\1/p" "$ROOT/rust-toolchain.toml" | tr -d '"' | tr ',' ' '; }

channel="$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")"
read -r -a targets <<<"$(toml_words targets)"
read -r -a components <<<"$(toml_words components)"

if ! has rustup; then
    [ -x "$HOME/.cargo/bin/rustup" ] || die "rustup is missing: install it as https://rustup.rs says, then run make again."
    die "rustup is installed but not on the PATH: run  . \"\$HOME/.cargo/env\"  and then make again."
fi

missing=()
if ! grep -q "^$channel-" <<<"$(rustup toolchain list)"; then
    missing+=("toolchain $channel")
else
    installed="$(rustup target list --toolchain "$channel" --installed)"
    for target in "${targets[@]}"; do
        grep -qx "$target" <<<"$installed" || missing+=("target $target")
    done
    installed="$(rustup component list --toolchain "$channel" --installed)"
    for component in "${components[@]}"; do
        grep -q "^$component" <<<"$installed" || missing+=("$component")
    done
fi
if [ "${#missing[@]}" -gt 0 ]; then
    say "Rust: installing ${missing[*]} (the version this code is built and checked with)"
    arguments=()
    for component in "${components[@]}"; do arguments+=(--component "$component"); done
    for target in "${targets[@]}"; do arguments+=(--target "$target"); done
    rustup toolchain install "$channel" --profile minimal --no-self-update "${arguments[@]}" ||
        die "Rust $channel could not be installed: see rustup's message above."
fi

if ! has cc; then
    say "cc: installing build-essential (the ledger's TLS library has parts in C)"
    apt_install build-essential || die "A C compiler is missing: install one (on Debian and Ubuntu: apt-get install build-essential), then run make again."
fi
say "Rust $channel with ${targets[*]}: ready"
