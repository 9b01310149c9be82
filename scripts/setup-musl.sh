#!/usr/bin/env bash
# What links the ledger statically, for an image with nothing else in it: prints the target's name.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

target="$(uname -m)-unknown-linux-musl"
channel="$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")"
if ! grep -qx "$target" <<<"$(rustup target list --toolchain "$channel" --installed)"; then
    say "Rust's $target: installing (a static program)" >&2
    rustup target add --toolchain "$channel" "$target" >&2 ||
        die "Rust's $target could not be installed: see rustup's message above."
fi
if ! has musl-gcc; then
    say "musl-gcc: installing musl-tools (the ledger's TLS library has parts in C)" >&2
    apt_install musl-tools || die "musl-gcc is missing and cannot be installed without root or sudo: install musl-tools, then run make again."
fi
printf '%s\n' "$target"
