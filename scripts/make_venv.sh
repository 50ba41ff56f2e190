#!/bin/sh
# make_venv.sh DIRECTORY: an empty virtual environment, made with the first Python that is new
# enough. The variable PYTHON names another one. One line says what is missing.
set -eu

directory=$1
if "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$python has no venv module. On Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    # --clear: what is there does not work, for instance because the folder was moved.
    "$python" -m venv --clear "$directory"
    exit 0
done
echo "No Python 3.11 or newer among: ${PYTHON:-python3}. Name one: make PYTHON=/path/to/python3" >&2
exit 1
