"""`lintel evaluate speed` measures what the appliance does, on invented people that resemble real ones."""

import json

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.evaluate.speed import ENERGY, invented, shots


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_it_loads_searches_and_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "speed", "--people", "60", "--templates", "2"]) == 0
    found = last_line(capsys)
    assert (found["people"], found["templates"]) == (60, 120)
    assert 0 < found["search_ms_median"] <= found["search_ms_p99"]
    assert found["load_s"] > 0
    assert found["update_ms"] > 0


@pytest.mark.parametrize("words", [["--people", "0"], ["--templates", "21"]])
def test_a_size_that_cannot_be_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "speed", *words]) == 2
    assert "must be 1 to" in capsys.readouterr().err


def test_invented_people_are_as_alike_as_real_ones() -> None:
    rng = np.random.default_rng(3)
    rows = shots(invented(2000, rng), 2, rng)
    pairs = rows.reshape(2000, 2, -1)
    genuine = np.einsum("ij,ij->i", pairs[:, 0], pairs[:, 1])
    assert genuine.mean() == pytest.approx(0.67, abs=0.02)
    strangers = (pairs[:1000, 0] * pairs[1000:, 0]).sum(axis=1)
    assert strangers.std() == pytest.approx(0.096, abs=0.01), "LFW's impostor pairs"
    values = np.linalg.eigvalsh(rows.T @ rows)[::-1]
    assert values[:96].sum() / values.sum() == pytest.approx(ENERGY[5], abs=0.02)
