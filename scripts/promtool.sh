#!/bin/sh
# Puts promtool, which checks and tests the alert rules, at .tools/promtool: this machine's own, or
# unpacked from Debian's package without installing it. Where it cannot be had that is said loudly
# and its tests are skipped; this script fails only when it is itself broken.
set -eu
cd "$(dirname "$0")/.."

tool=.tools/promtool
if [ -x "$tool" ] && "$tool" --version >/dev/null 2>&1; then
    exit 0
fi

loud() {
    printf '\n!!! %s\n!!! The tests that need it WILL BE SKIPPED.\n\n' "$1" >&2
    exit 0
}

rm -rf "$tool" .tools/unpacked
mkdir -p .tools/unpacked
if installed=$(command -v promtool); then
    ln -s "$installed" "$tool"
    exit 0
fi
command -v apt-get >/dev/null || loud "promtool is not installed, and there is no apt-get here to get it with."

# In the folder itself, because apt-get has no option for where to put a package.
download() {
    (cd .tools/unpacked && apt-get download -qq prometheus) >.tools/promtool.log 2>&1
}

# The lists of packages may be missing or old; only root may renew them.
if ! download; then
    if [ "$(id -u)" -ne 0 ] || ! apt-get update -qq >>.tools/promtool.log 2>&1 || ! download; then
        tail -5 .tools/promtool.log >&2
        loud "promtool: apt-get could not download Debian's package prometheus."
    fi
fi
dpkg-deb --extract .tools/unpacked/prometheus_*.deb .tools/unpacked
mv .tools/unpacked/usr/bin/promtool "$tool"
rm -rf .tools/unpacked .tools/promtool.log
"$tool" --version >/dev/null
echo "unpacked from Debian: promtool"
