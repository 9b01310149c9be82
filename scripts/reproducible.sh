#!/usr/bin/env bash
# Builds the wasm, the npm package and the chart in two folders of different names, and compares the sums of both.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

work="$(mktemp -d "$ROOT/${CARGO_TARGET_DIR:-target}/reproducible.XXXXXX")"
trap 'rm -rf "$work"' EXIT
for copy in one another/place; do
    mkdir -p "$work/$copy"
    git -c safe.directory="$ROOT" ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- | tar --extract --directory "$work/$copy"
    # Tools are not what is compared.
    ln -s "$ROOT/.tools" "$work/$copy/.tools"
    ln -s "$ROOT/client/js/node_modules" "$work/$copy/client/js/node_modules"
    (cd "$work/$copy" && env -u CARGO_TARGET_DIR SOURCE_DATE_EPOCH="$(source_date)" ./scripts/dist.sh wasm npm chart)
done
if ! diff "$work"/one/dist/release/SHA256SUMS "$work"/another/place/dist/release/SHA256SUMS; then
    die "The same source made different files in two folders: see above."
fi
say "built twice, in two folders: the same bytes"
