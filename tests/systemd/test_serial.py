"""The drop-in that lets the door at a serial line, as systemd reads it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.systemd.test_units import UNITS

DROP_IN = UNITS / "lintel-door-serial.conf"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_drop_in(tmp_path: Path) -> None:
    text = (UNITS / "lintel-door.service").read_text()
    text = re.sub(r"^Documentation=.*$", "", text, flags=re.M).replace("/opt/lintel/bin/lintel", "/bin/true")
    copy = tmp_path / "lintel-door.service"
    copy.write_text(text)
    folder = tmp_path / "lintel-door.service.d"
    folder.mkdir()
    shutil.copy(DROP_IN, folder / "serial.conf")
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_only_adds() -> None:
    lines = [line for line in DROP_IN.read_text().splitlines() if line and not line.startswith(("#", "["))]
    assert {line.split("=")[0] for line in lines} == {"Wants", "After", "SupplementaryGroups", "DeviceAllow"}
    assert not any(line.endswith("=") for line in lines), "an empty value would take away what the unit allows"
    assert "Requires" not in DROP_IN.read_text(), "no driver may keep the door from starting"
    assert all(re.fullmatch(r"DeviceAllow=char-tty\w+ rw", line) for line in lines if line.startswith("Device"))
