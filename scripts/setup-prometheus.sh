#!/usr/bin/env bash
# Prometheus and promtool, for the tests of the alerts. A test starts its own, on a free port and in a
# folder of its own; the one that the package would run as a service is kept from starting.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if has prometheus && has promtool; then
    say "Prometheus: $(promtool --version 2>&1 | sed -n '1s/.*version \([^ ]*\).*/\1/p')"
    exit 0
fi

say 'Prometheus: installing the Debian package prometheus, for the tests of the alerts'
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

apt_install --no-install-recommends prometheus || die 'Could not install Prometheus: run as root or with sudo, or install prometheus and promtool (2.42 or newer) yourself.'
# Nor with the next start of the machine.
if has systemctl; then
    "${as_root[@]}" systemctl disable prometheus >/dev/null 2>&1 || true
fi
say "Prometheus: $(promtool --version 2>&1 | sed -n '1s/.*version \([^ ]*\).*/\1/p')"
