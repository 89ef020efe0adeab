"""A QR code as the path of an SVG, so that a policy without inline images can show it."""

import importlib


def qr_path(text: str) -> tuple[str, int] | None:
    """`d` of a path in a square of so many units, quiet zone included; None: no text, or no package segno."""
    if not text:
        return None
    try:
        segno = importlib.import_module("segno")
    except ImportError:
        return None
    rows = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
    parts = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark]
    return "".join(parts), len(rows)
