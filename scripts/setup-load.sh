#!/usr/bin/env bash
# wrk and h2load, the load of `make bench`.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if ! has wrk || ! has h2load; then
    say 'wrk, h2load: installing the Debian packages, for make bench'
    apt_install wrk nghttp2-client ||
        die 'Could not install wrk and nghttp2-client: run as root or with sudo, or install them yourself.'
fi
say 'wrk, h2load: ready'
