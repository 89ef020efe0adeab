#!/bin/sh
# pin-requirements.sh [UV]: resolve pyproject.toml for every supported Python and write the pins with their hashes.
set -eu
uv=${1:-uv}
cd "$(dirname -- "$0")/.."
out=deploy/requirements
pin() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate -c $out/constraints.in "$@"
}
pin pyproject.toml -o $out/runtime.txt
printf 'hatchling\neditables\n' | pin - -c $out/runtime.txt -o $out/build.txt
pin pyproject.toml --extra dev -c $out/runtime.txt -o $out/dev.txt
pin pyproject.toml --extra dev --extra bench -c $out/dev.txt -o $out/bench.txt
pin pyproject.toml --extra pi -c $out/runtime.txt -o $out/pi.txt
pin pyproject.toml --extra jetson -c $out/runtime.txt -o $out/jetson.txt
pin pyproject.toml --extra debian -c $out/runtime.txt -o $out/debian.txt
