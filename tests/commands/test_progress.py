"""How far a measurement is: a bar on a terminal, few lines elsewhere, never on stdout."""

import os
import sys

import pytest

from appliance.commands.progress import shown


def test_elsewhere_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("pictures") as progress:
        for done in range(1, 3001):
            progress(done, 3000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "300 of 3000"
    assert err.splitlines()[-1] == "3000 of 3000"
    assert len(err.splitlines()) == 10


def test_on_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    leader, follower = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with shown("pictures") as progress:
            progress(7, 20)
        monkeypatch.undo()
        drawn = os.read(leader, 65536).decode()
    os.close(leader)
    assert "pictures" in drawn
    assert "7/20" in drawn
    assert capsys.readouterr().out == ""
