#!/bin/sh
# build-speech.sh: speak every `say` of appliance/web/languages into appliance/web/speech/<language>/<screen>.ogg
# (mono Opus). Needs Debian's espeak-ng and opus-tools, and Python 3.11. Run it after a change of words.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
out=$root/appliance/web/speech
for tool in espeak-ng opusenc python3; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install espeak-ng opus-tools python3" >&2; exit 1; }
done
rm -rf "$out"
mkdir -p "$out"
wav=$(mktemp)
trap 'rm -f "$wav"' EXIT
python3 - "$root/appliance/web/languages" "$out/texts.json" <<'PYTHON' | while IFS='	' read -r code voice screen text; do
import hashlib, json, pathlib, sys, tomllib

texts = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.toml")):
    language = tomllib.loads(path.read_text(encoding="utf-8"))
    for screen, words in language["screens"].items():
        if "say" in words:
            print(path.stem, language["voice"], screen, words["say"], sep="\t")
            texts[f"{path.stem}/{screen}"] = hashlib.sha256(words["say"].encode()).hexdigest()[:16]
pathlib.Path(sys.argv[2]).write_text(json.dumps(texts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
PYTHON
    mkdir -p "$out/$code"
    espeak-ng -v "$voice" -s 150 -p 45 -a 160 -w "$wav" -- "$text"
    # A fixed serial keeps the files the same from build to build.
    opusenc --quiet --bitrate 16 --serial 1 --discard-comments "$wav" "$out/$code/$screen.ogg"
done
du -sh "$out"
