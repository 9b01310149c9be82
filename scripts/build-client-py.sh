#!/usr/bin/env bash
# build-client-py.sh [PROFILE]: the wheel of the client for Python in client/python/dist, by cargo's profile `dev` unless
# another one is given; installed in .tools/python-client for the tests.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

profile="${1:-dev}"
python="$TOOLS/python-client/bin/python"
dist=client/python/dist
stamp="$dist/$profile"

say "the client for Python: building"
# Newer than what it is made of: nothing to do.
if [ -f "$stamp" ] && [ "$stamp" -nt "$TOOLS/python-client/ready" ] &&
    [ -z "$(find client/python protocol client/src client/Cargo.toml Cargo.toml Cargo.lock rust-toolchain.toml LICENSE \
        -newer "$stamp" -type f -not -path "$dist/*" -not -path 'client/python/test/*' -not -path '*/__pycache__/*' -print -quit)" ]; then
    say "$dist: up to date"
    exit 0
fi
rm -rf "$dist"
cp LICENSE client/python/LICENSE
"$TOOLS/python-client/bin/maturin" build --quiet --manifest-path client/python/Cargo.toml --profile "$profile" \
    --locked --interpreter "$python" --out "$dist"
"$python" -m pip --quiet --disable-pip-version-check install --no-deps --no-index --force-reinstall "$dist"/*.whl
touch "$stamp"
say "$(ls "$dist"/*.whl)"
