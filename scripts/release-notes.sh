#!/usr/bin/env bash
# release-notes.sh [TAG]: what CHANGELOG.md says of this version. Fails if a tag is given and names another version.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

version="$(version)"
[ "${1:-v$version}" = "v$version" ] || die "The tag is $1, but Cargo.toml has version $version: release v$version, or change the version first."
notes="$(awk -v heading="## [$version]" '/^## / { on = index($0, heading) == 1; next } on' "$ROOT/CHANGELOG.md")"
[ -n "$notes" ] || die "CHANGELOG.md has nothing below \"## [$version]\": say there what is new, then release."
printf '%s\n' "$notes"
