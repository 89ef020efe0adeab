"""By what and on what a figure was measured. The same on every run of the same installation: no times."""

import platform
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.vision.models import Manifest, models_dir, runtime


def model_hashes(directory: Path | None) -> dict[str, str]:
    """sha256 by slot of the models that this installation runs. Raises ModelError."""
    slots = Manifest.read((directory or models_dir()) / "manifest.toml").slots
    return {name: slot.sha256 for name, slot in slots.items()}


def provenance(directory: Path | None, seed: int | None) -> dict[str, Any]:
    """Version, models, machine and seed; the seed is None where nothing was drawn."""
    return {
        "lintel": __version__,
        "models": model_hashes(directory),
        "machine": {
            "architecture": platform.machine(),
            "processor": _processor(),
            "python": platform.python_version(),
            "runtime": runtime(),
        },
        "seed": seed,
    }


def _processor() -> str:
    """The kernel's name for it; empty where it has none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))), "")
