#!/usr/bin/env bash
# What the ledger, the client and the filter are made of, as CycloneDX, in dist/sbom.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

cyclonedx=0.5.9
program="$TOOLS/cargo-cyclonedx/bin/cargo-cyclonedx"
if ! "$program" cyclonedx --version 2>/dev/null | grep -q " $cyclonedx$"; then
    say "cargo-cyclonedx $cyclonedx: building (lists what is in each program; about two minutes, once)"
    cargo install cargo-cyclonedx --version "$cyclonedx" --locked --quiet --force --root "$TOOLS/cargo-cyclonedx" ||
        die "cargo-cyclonedx $cyclonedx could not be built: see cargo's message above."
fi
SOURCE_DATE_EPOCH="$(source_date)"
export SOURCE_DATE_EPOCH
out=dist/sbom
rm -rf "$out"
mkdir -p "$out"
# cargo-cyclonedx writes beside every package of the workspace, and names packages by where they are here.
name=stripe402-sbom
tidy() { find . -maxdepth 4 -name "$name.json" -not -path './target/*' -delete; }
trap tidy EXIT
sbom() {
    local target="$1" package
    shift
    "$program" cyclonedx --quiet --format json --spec-version 1.5 --target "$target" --override-filename "$name"
    for package in "$@"; do
        sed "s,path+file://$ROOT,path+file:///stripe402,g" "$package/$name.json" \
            >"$out/$(sed -n 's/^name = "\(.*\)"/\1/p' "$package/Cargo.toml" | head -n 1)-$(version).cdx.json"
    done
}
sbom "$(uname -m)-unknown-linux-musl" ledger-service client
sbom wasm32-wasip1 filter
for file in "$out"/*; do say "$file"; done
