#!/usr/bin/env bash
# wrk, the load of `make bench`.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if ! has wrk; then
    say 'wrk: installing the Debian package, for make bench'
    apt_install wrk || die 'Could not install wrk: run as root or with sudo, or install it yourself.'
fi
say 'wrk: ready'
