#!/usr/bin/env bash
# pack.sh FOLDER ARCHIVE: a .tar.gz of a folder. The same files make the same bytes, whoever packs them and when.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

folder="$1" archive="$2"
# GNU's tar is called gtar on macOS.
tar=tar
if has gtar; then tar=gtar; fi
"$tar" --create --sort=name --format=ustar --mtime="@$(source_date)" --owner=0 --group=0 --numeric-owner \
    --mode='u+rwX,go+rX,go-w' --directory "$(dirname "$folder")" "$(basename "$folder")" | gzip -9 --no-name >"$archive"
say "$archive"
