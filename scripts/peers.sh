#!/bin/sh
# Gets the peers that the process tests talk to: SIPp and baresip (Debian's packages), and pipecat
# (an environment of its own, .venv-pipecat). What cannot be had here is said loudly and its tests
# are skipped; this script fails only when it is itself broken.
set -eu
cd "$(dirname "$0")/.."

loud() {
    printf '\n!!! %s\n!!! The tests that need it WILL BE SKIPPED.\n\n' "$1" >&2
}

missing=
command -v sipp >/dev/null || missing="$missing sip-tester"
command -v baresip >/dev/null || missing="$missing baresip-core"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # $missing is a list of words
    if [ "$(id -u)" -ne 0 ]; then
        loud "Not installed:$missing. As root: apt-get install --no-install-recommends$missing"
    elif ! command -v apt-get >/dev/null; then
        loud "Not installed:$missing, and there is no apt-get here to get them with."
    elif ! { apt-get update -qq \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
        >.peers.log 2>&1; then
        tail -5 .peers.log >&2
        loud "apt-get could not install$missing."
    else
        rm -f .peers.log
        echo "installed from Debian:$missing"
    fi
fi

lock=tests/peers/pipecat/requirements.lock
stamp=.venv-pipecat/installed
if [ ! -e "$stamp" ] || [ "$lock" -nt "$stamp" ]; then
    echo "making .venv-pipecat (about half a minute)"
    # --no-deps: see requirements.in. --no-compile: most of it is never imported.
    if sh scripts/make_venv.sh .venv-pipecat \
        && .venv-pipecat/bin/python -m pip install --quiet --disable-pip-version-check \
            --no-compile --no-deps --require-hashes -r "$lock"; then
        touch "$stamp"
    else
        loud "pipecat could not be installed into .venv-pipecat."
    fi
fi

lock=tests/peers/prism/package-lock.json
stamp=.tools/prism/installed
if ! command -v npm >/dev/null; then
    loud "Not installed: node and npm, which prism needs."
elif [ ! -e "$stamp" ] || [ "$lock" -nt "$stamp" ]; then
    echo "making .tools/prism (about half a minute)"
    mkdir -p .tools/prism
    cp tests/peers/prism/package.json "$lock" .tools/prism/
    # Everything by its hash from the lock; nobody's scripts are run.
    if (cd .tools/prism && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
        touch "$stamp"
    else
        loud "prism could not be installed into .tools/prism."
    fi
fi
