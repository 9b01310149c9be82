#!/usr/bin/env bash
# A browser, without a screen: the client for JavaScript is tried in a real one.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if ! has chromium || ! has chromedriver; then
    say "Chromium: installing Debian packages chromium and chromium-driver (the client is tried in a browser)"
    apt_install --no-install-recommends chromium chromium-driver ||
        die "Chromium is missing and cannot be installed without root or sudo: install chromium and chromium-driver, then run make again."
fi
say "Chromium: ready"
