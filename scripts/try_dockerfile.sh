#!/bin/sh
# Runs the steps of the Dockerfile where there is no container engine, and then the image's own
# command and health check: in chroots of a Debian system, whose Python 3.11 stands for the base
# image's. Needs root, Debian's packages, the package index, 3 minutes and 2 GB; not part of `make test`.
set -eu
cd "$(dirname "$0")/.."

tools=$PWD/.tools
base=$tools/bookworm
mkdir -p "$tools"
if [ ! -e "$base/made" ]; then
    if ! command -v debootstrap >/dev/null; then
        (cd "$tools" && apt-get download -q debootstrap && dpkg -x debootstrap_*.deb debootstrap)
        DEBOOTSTRAP_DIR=$tools/debootstrap/usr/share/debootstrap
        export DEBOOTSTRAP_DIR
        PATH=$tools/debootstrap/usr/sbin:$PATH
    fi
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$base"
    # Where the base image has python and pip.
    chroot "$base" /usr/bin/python3 -m venv /usr/local
    cp -L /etc/resolv.conf "$base/etc/resolv.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/ca-certificates.crt"
    touch "$base/made"
fi
exec .venv/bin/python tests/support/chroot_build.py "$base" "$tools/image"
