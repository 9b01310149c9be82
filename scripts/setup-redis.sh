#!/usr/bin/env bash
# A Redis server for the tests of the Redis store. Each test starts its own, on a free port and in
# a folder of its own; the one that the package would run as a service is kept from starting.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ -n "${REDIS_BIN:-}" ]; then
    say "Redis: $REDIS_BIN (from REDIS_BIN)"
    exit 0
fi
if has redis-server && has redis-cli; then
    say "Redis: $(redis-server --version | cut -d' ' -f3)"
    exit 0
fi

say 'Redis: installing Debian packages redis-server and redis-tools, for the tests of the Redis store'
apt_install_idle redis-server redis-server redis-tools ||
    die 'Could not install Redis: run as root or with sudo, or install redis-server (7 or newer) yourself.'
say "Redis: $(redis-server --version | cut -d' ' -f3)"
