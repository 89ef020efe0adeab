"""docs/mqtt/sign.py, as a host would use it."""

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("sign", Path(__file__).parents[2] / "docs" / "mqtt" / "sign.py")
assert _SPEC
assert _SPEC.loader
sign = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sign)
