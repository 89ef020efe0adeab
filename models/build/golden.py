"""Compare freshly built models with the golden vectors, then install them: golden.py BUILT [--record].

Outputs must agree (cosine > 0.999); bytes need not, so the manifest gets the new sha256 and size.
With --record the golden vectors are written instead: only for a deliberate change of model.
"""

import hashlib
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

MODELS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(MODELS.parent))

from appliance.vision import models  # noqa: E402


def with_file(manifest: str, slot: str, sha256: str, size: int) -> str:
    """The manifest's text with the hash and the size of one slot replaced."""
    head, start, rest = manifest.partition(f"[{slot}]\n")
    rest = re.sub(r'^sha256 = ".*"$', f'sha256 = "{sha256}"', rest, count=1, flags=re.MULTILINE)
    rest = re.sub(r"^bytes = \d+$", f"bytes = {size}", rest, count=1, flags=re.MULTILINE)
    return head + start + rest


def main(built: Path, record: bool) -> None:
    path = MODELS / "manifest.toml"
    slots = models.Manifest.read(path).slots
    text = path.read_text()
    for name, slot in slots.items():
        content = (built / slot.file).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        model = models.Model(replace(slot, sha256=sha256), built)
        if record:
            np.savez_compressed(MODELS / slot.golden, **models.golden_outputs(model))
        cosine = models.golden_agreement(model, MODELS)
        same = "same bytes" if sha256 == slot.sha256 else "other bytes"
        print(f"{name}: {len(content):,} bytes, cosine with golden outputs {cosine:.7f}, {same}")
        if cosine <= models.GOLDEN_COSINE:
            sys.exit(f"{slot.file}: outputs differ from {slot.golden}: nothing installed")
        text = with_file(text, name, sha256, len(content))
    for slot in slots.values():
        shutil.copyfile(built / slot.file, MODELS / slot.file)
    path.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--record" in sys.argv[2:])
