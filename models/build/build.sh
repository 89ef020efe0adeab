#!/bin/sh
# Rebuild models/*.tflite from the packages that models/manifest.toml names.
#   models/build/build.sh           rebuild, compare with the golden vectors, install
#   models/build/build.sh --record  the same, but write new golden vectors (a deliberate change of model)
# Needs Python 3.11 (the converter's newest) and npm. PYTHON and XDG_CACHE_HOME are honoured.
set -eu

build=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lintel/models
python=${PYTHON:-python3.11}

environment() { # name -> path of an interpreter with exactly the hashed requirements of name.txt
    venv=$cache/venv-$1-$(sha256sum "$build/$1.txt" | cut -c1-12)
    if [ ! -e "$venv/complete" ]; then
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$build/$1.txt" >&2
        touch "$venv/complete"
    fi
    echo "$venv/bin/python"
}

mkdir -p "$cache"
converter=$(environment convert)
quantizer=$(environment quantize)
work=$(mktemp -d "$cache/work-XXXXXX")
trap 'rm -rf "$work"' EXIT

"$quantizer" "$build/take.py" "$work/sources"
"$converter" "$build/convert.py" "$work/sources" "$work/built"
"$quantizer" "$build/quantize.py" "$work/built/embedder-float.tflite" "$work/built/embedder.tflite"
"$quantizer" "$build/golden.py" "$work/built" "$@"
