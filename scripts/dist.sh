#!/usr/bin/env bash
# dist.sh [PART…]: what a release has, for this machine, in dist/release. The parts are wasm, npm, chart, programs and
# wheel; all of them if none is named. The same commit makes the same bytes of wasm, npm and chart, in whichever folder.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

out=dist/release
version="$(version)"
SOURCE_DATE_EPOCH="$(source_date)"
export SOURCE_DATE_EPOCH

wasm() {
    ./scripts/build-wasm.sh
    cp dist/stripe402_filter.wasm "$out/"
}

npm_package() {
    ./scripts/build-client-js.sh
    (cd client/js && npm pack --silent --pack-destination "$ROOT/$out" >/dev/null)
}

chart() { ./scripts/pack.sh charts/stripe402 "$out/stripe402-$version.tgz"; }

# The folder that `STRIPE402_DIST` names, and its archive.
programs() {
    local target name folder program
    if [ "$(uname -s)" = Linux ]; then
        target="$(./scripts/setup-musl.sh)"
        export TARGET_CC=musl-gcc
    else
        target="$(rustc -vV | sed -n 's/^host: //p')"
    fi
    say "programs for $target: building optimised (about 20 minutes on two cores)"
    cargo_remapped build --quiet --locked --release --target "$target" --bins \
        -p stripe402-ledger -p stripe402-client -p stripe402-dev -p stripe-sim
    [ -f "$out/stripe402_filter.wasm" ] || ./scripts/build-wasm.sh
    name="stripe402-$version-$target"
    folder="$out/$name"
    mkdir "$folder"
    for program in stripe402-ledger stripe402 stripe402-run stripe402-demo demo-api stripe-sim; do
        cp "${CARGO_TARGET_DIR:-target}/$target/release/$program" "$folder/"
        # A program that needs the system's libraries would need those of the machine that built it.
        if has readelf && readelf --program-headers "$folder/$program" 2>/dev/null | grep -q INTERP; then
            die "$program is not linked statically."
        fi
    done
    cp dist/stripe402_filter.wasm LICENSE "$folder/"
    ./scripts/pack.sh "$folder" "$folder.tar.gz"
}

wheel() {
    ./scripts/setup-python-client.sh
    ./scripts/build-client-py.sh release
    cp client/python/dist/*.whl "$out/"
}

rm -rf "$out"
mkdir -p "$out"
[ $# -gt 0 ] || set -- wasm npm chart programs wheel
for part in "$@"; do
    case "$part" in
    wasm | chart | programs | wheel) "$part" ;;
    npm) npm_package ;;
    *) die "dist.sh knows no part $part: name wasm, npm, chart, programs or wheel." ;;
    esac
done
./scripts/sums.sh "$out"
