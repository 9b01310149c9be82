#!/usr/bin/env bash
# An environment for the client for Python: maturin builds it, mypy checks its types, httpx and requests are paid
# through. What has to be there in an empty environment too is kept as wheels, so that tests need no network.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

venv="$TOOLS/python-client"
wheels="$venv/wheels"
of="$ROOT/client/python/test"
stamp="$venv/ready"

if ! [ "$stamp" -nt "$of/requirements.txt" ] || ! [ "$stamp" -nt "$of/build-requirements.txt" ]; then
    has python3 || die "python3 is missing: install Python 3.11 or newer (it runs the client for Python), then run make again."
    say "client for Python: installing maturin, mypy, httpx, requests (it is built, checked and tested with them)"
    rm -rf "$venv"
    python3 -m venv "$venv" || die "python3 -m venv $venv failed: install python3-venv, then run make again."
    pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
    { pip download --only-binary :all: --no-deps --dest "$wheels" --requirement "$of/requirements.txt" &&
        pip install --no-index --find-links "$wheels" --requirement "$of/requirements.txt" &&
        pip install --only-binary :all: --requirement "$of/build-requirements.txt"; } ||
        die "the packages of client/python/test could not be installed with pip: see its message above."
    touch "$stamp"
fi
say "client for Python: its tools are ready"
