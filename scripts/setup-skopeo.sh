#!/usr/bin/env bash
# skopeo and umoci: programs of others that read the images that are made here.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if ! has skopeo || ! has umoci; then
    say "skopeo and umoci: installing (images are read back with them)"
    apt_install skopeo umoci || die "skopeo or umoci is missing and cannot be installed without root or sudo: install both, then run make again."
fi
say "skopeo and umoci: ready"
