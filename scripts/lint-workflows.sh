#!/usr/bin/env bash
# .github/workflows by actionlint (do they mean anything) and zizmor (are they safe), without the network.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

"$TOOLS/venv/bin/actionlint" -shellcheck "$TOOLS/venv/bin/shellcheck" .github/workflows/*.yml
"$TOOLS/venv/bin/zizmor" --quiet --offline --no-progress --persona pedantic --config .github/zizmor.yml .github/workflows/*.yml
