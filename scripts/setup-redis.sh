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
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
# Debian starts a service as soon as it is installed, unless this file says 101: not allowed.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null 2>&1; then
    "${as_root[@]}" chmod +x "$policy"
    made_policy=yes
fi
remove_policy() { [ -z "$made_policy" ] || "${as_root[@]}" rm -f "$policy"; }
trap remove_policy EXIT

apt_install redis-server redis-tools || die 'Could not install Redis: run as root or with sudo, or install redis-server (7 or newer) yourself.'
# Nor with the next start of the machine.
if has systemctl; then
    "${as_root[@]}" systemctl disable redis-server >/dev/null 2>&1 || true
fi
say "Redis: $(redis-server --version | cut -d' ' -f3)"
