#!/usr/bin/env bash
# Chromium and its driver: pages that sell, and the client for JavaScript, are tried in a browser.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if ! has chromedriver || ! { has chromium || has google-chrome; }; then
    say "Chromium: installing (pages and the client are tried in it, without a screen)"
    apt_install chromium chromium-driver || die "Chromium is missing and cannot be installed without root or sudo: install chromium and chromedriver, then run make again."
fi
say "Chromium: ready"
