#!/usr/bin/env bash
# sums.sh FOLDER: the SHA-256 of each file in a folder, in its SHA256SUMS.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cd "$1"
rm -f SHA256SUMS
sum=(sha256sum)
has sha256sum || sum=(shasum -a 256)
find . -maxdepth 1 -type f | sed 's,^\./,,' | LC_ALL=C sort | xargs "${sum[@]}" >SHA256SUMS.new
mv SHA256SUMS.new SHA256SUMS
say "$1/SHA256SUMS: $(wc -l <SHA256SUMS) files"
