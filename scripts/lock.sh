#!/bin/sh
# Writes every lock file again from what it is made of. Versions already locked are kept as long as
# they still fit; `scripts/lock.sh --upgrade` takes the newest ones. Needs the package index; uv
# lives in an environment of its own here and nowhere else.
set -eu
cd "$(dirname "$0")/.."

readonly uv_version=0.13.9
if [ ! -x .venv-lock/bin/uv ]; then
    sh scripts/make_venv.sh .venv-lock
    .venv-lock/bin/python -m pip install --quiet "uv==$uv_version"
fi

lock() {
    .venv-lock/bin/uv pip compile --quiet --no-header --no-emit-index-url \
        --universal --python-version 3.11 --generate-hashes "$@"
}

lock pyproject.toml --extra tts --output-file requirements.lock "$@"
lock pyproject.toml --extra tts --extra dev --output-file requirements-dev.lock "$@"
lock requirements-build.in --constraint requirements-dev.lock \
    --output-file requirements-build.lock "$@"
lock tests/peers/pipecat/requirements.in --no-deps \
    --output-file tests/peers/pipecat/requirements.lock "$@"
