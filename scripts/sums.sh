#!/usr/bin/env bash
# sums.sh FOLDER: the SHA-256 of each file in a folder, in its SHA256SUMS.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cd "$1"
export LC_ALL=C
files=()
for file in *; do
    if [ -f "$file" ] && [ "$file" != SHA256SUMS ]; then files+=("$file"); fi
done
sum=(sha256sum)
has sha256sum || sum=(shasum -a 256)
"${sum[@]}" "${files[@]}" >SHA256SUMS
say "$1/SHA256SUMS: ${#files[@]} files"
