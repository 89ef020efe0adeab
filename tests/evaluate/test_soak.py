"""The vision process over many visits: neither its memory nor its descriptors grow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"


@pytest.mark.slow
def test_memory_does_not_grow_over_many_visits() -> None:
    words = [sys.executable, str(SOAK), "--frames", "40000", "--warm-up", "10000", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=3000)
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, found
    assert found["growth_mb_per_100k"] < 1.0
    assert found["descriptors_last"] <= found["descriptors_first"]
    assert found["ends"]["granted"] > 30
    assert found["ends"]["attack"] > 30
