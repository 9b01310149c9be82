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
apt_install_idle prometheus --no-install-recommends prometheus ||
    die 'Could not install Prometheus: run as root or with sudo, or install prometheus and promtool (2.42 or newer) yourself.'
say "Prometheus: $(promtool --version 2>&1 | sed -n '1s/.*version \([^ ]*\).*/\1/p')"
