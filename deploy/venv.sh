#!/bin/sh
# venv.sh VENV REQUIREMENTS...: make a virtual environment with exactly these pins, and this checkout in it.
# PYTHON names the interpreter (python3). Everything comes with a hash; nothing is resolved here.
set -eu
python=${PYTHON:-python3}
venv=$1
shift
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

"$python" - <<'CHECK' || exit 1
import struct, sys
if sys.version_info < (3, 11):
    sys.exit(f"lintel needs Python 3.11 or newer; this is {sys.version.split()[0]}. Name another: make PYTHON=python3.13 ...")
if struct.calcsize("P") != 8:
    sys.exit("lintel needs a 64-bit system: the model runtime has no 32-bit build. Install the 64-bit image.")
CHECK

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian keeps venv in a package of its own.
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq python3-venv
    elif sudo -n true 2>/dev/null; then
        sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv
    else
        echo "lintel needs python3-venv: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi

echo "Setting up $venv (once; well under a minute on a fast line)"
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
set -- "$@"
for file in "$@"; do
    "$venv/bin/pip" install --quiet --require-hashes -r "$file"
done
"$venv/bin/pip" install --quiet --no-deps --no-build-isolation -e "$root"
