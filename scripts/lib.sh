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

# The version of all packages.
version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

# cargo BUILD… for a --target, so that the same source makes the same bytes in whichever folder it is.
cargo_remapped() {
    local flags="--remap-path-prefix=$ROOT=/stripe402"
    flags+=$'\x1f'"--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    CARGO_ENCODED_RUSTFLAGS="$flags" cargo "$@"
}

# What archives are dated with: the commit. Where there is no git, 1980, the first year that a zip knows.
source_date() {
    printf '%s' "${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" -c safe.directory="$ROOT" log -1 --format=%ct 2>/dev/null || echo 315619200)}"
}

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

# Installs Debian packages of a server, and keeps the one that they would run as a service from starting:
# tests start their own. The service's name, then the packages.
apt_install_idle() (
    service="$1" as_root=() policy=/usr/sbin/policy-rc.d made_policy=''
    shift
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    # However this ends: with that file, no service of this machine would start when it is installed.
    trap '[ -z "$made_policy" ] || "${as_root[@]}" rm -f "$policy"' EXIT
    # Debian starts a service as soon as it is installed, unless this file says 101: not allowed.
    if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null 2>&1; then
        "${as_root[@]}" chmod +x "$policy"
        made_policy=yes
    fi
    apt_install "$@" || exit 1
    # Nor with the next start of the machine.
    if has systemctl; then
        "${as_root[@]}" systemctl disable "$service" >/dev/null 2>&1 || true
    fi
)
