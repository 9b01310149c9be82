# Shared by the set-up scripts: say what is done and why, stop with one plain sentence.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TOOLS="$ROOT/.tools"
# For the scripts that source this file.
export ROOT TOOLS

say() { printf '  %s\n' "$*"; }

die() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Installs Debian packages if that can be done without asking anybody; fails otherwise.
apt_install() {
    has apt-get || return 1
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        # -n: a script that stops to ask for a password hangs where nobody is watching.
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    "${as_root[@]}" apt-get update -qq || return 1
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}
