#!/usr/bin/env bash
# PostgreSQL's server programs; the tests start servers of their own with them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

found() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb; }

if ! found; then
    say "PostgreSQL: installing (its store is tested on a real server)"
    # Debian would start a server for the whole machine; the tests need only the programs.
    apt_install postgresql-common || die "PostgreSQL is missing and cannot be installed without root or sudo: install PostgreSQL 15 or newer, then run make again."
    if [ -w /etc/postgresql-common/createcluster.conf ]; then
        sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    fi
    apt_install postgresql || die "PostgreSQL could not be installed: install PostgreSQL 15 or newer, then run make again."
    found || die "PostgreSQL was installed, but initdb is not in /usr/lib/postgresql/*/bin."
fi
has setpriv || [ "$(id -u)" -ne 0 ] || die "setpriv is missing: install util-linux, then run make again."
say "PostgreSQL: ready"
