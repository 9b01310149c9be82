#!/usr/bin/env bash
# pympp: another maker's client for MPP in Python, which the end-to-end tests pay with.
set -euo pipefail
exec "$(dirname "$0")/venv-install.sh" pympp 0.16.0 'lib/python3*/site-packages/mpp/client/__init__.py' \
    'pays by MPP in the tests'
