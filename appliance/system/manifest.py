"""Which models are installed, without loading a model runtime to find out."""

import sys
import tomllib
from pathlib import Path

from appliance.errors import ModelError


def folder(configured: str) -> Path:
    """The models folder: the one that is set, else the checkout's, else the one installed with the package."""
    if configured:
        return Path(configured)
    checkout = Path(__file__).resolve().parents[2] / "models"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "lintel" / "models"


def embedder_id(directory: Path) -> str:
    """Id of the embedder there, as templates and matches carry it: `sha256:` and 12 hex digits. Raises ModelError."""
    path = directory / "manifest.toml"
    try:
        digest = tomllib.loads(path.read_text(encoding="utf-8"))["embedder"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} names no embedder ({error}); reinstall, or run `make models`") from None
    return f"sha256:{str(digest)[:12]}"
