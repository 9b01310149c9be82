#!/usr/bin/env bash
# Schemathesis: asks the operator API whatever its OpenAPI document allows, and what it does not.
set -euo pipefail
exec "$(dirname "$0")/venv-install.sh" schemathesis 4.32.5 bin/schemathesis \
    'tries the operator API by its OpenAPI document'
