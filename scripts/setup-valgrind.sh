#!/usr/bin/env bash
# valgrind, whose callgrind counts instructions for `make bench-check`.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if ! has valgrind; then
    say 'valgrind: installing the Debian package, for make bench-check'
    apt_install valgrind ||
        die 'Could not install valgrind: run as root or with sudo, or install it yourself.'
fi
say 'valgrind: ready'
