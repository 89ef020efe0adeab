"""Board files load, and say the same as the boot lines they go with."""

import re
from pathlib import Path

import pytest

from appliance import config
from appliance.config import Config

ROOT = Path(__file__).parents[2]
BOARDS = sorted((ROOT / "firmware_config").glob("*.toml"))
FRAGMENTS = sorted((ROOT / "firmware_config").glob("*.config.txt"))
SITE = ROOT / "deploy" / "lintel.example.toml"


def load(board: Path) -> Config:
    return config.load(board, SITE)


def boot_lines(fragment: Path) -> list[str]:
    return [line for line in fragment.read_text().splitlines() if line and not line.startswith("#")]


def gpio(fragment: Path) -> dict[int, list[str]]:
    """The `gpio=` lines: number of each line, and its attributes."""
    found: dict[int, list[str]] = {}
    for line in boot_lines(fragment):
        if match := re.fullmatch(r"gpio=([\d,]+)=([a-z,]+)", line):
            found.update({int(number): match[2].split(",") for number in match[1].split(",")})
    return found


def test_there_are_boards_to_check() -> None:
    assert {path.stem for path in BOARDS} == {"pi4", "pi5", "jetson-orin-nano", "debian"}
    assert {path.name for path in FRAGMENTS} == {"pi4.config.txt", "pi5.config.txt"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_every_board_loads_under_the_example_site(board: Path) -> None:
    loaded = load(board)
    assert loaded.site.door == "front"
    assert (loaded.users.vision, loaded.users.net) == ("lintel-vision", "lintel-net")


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_only_a_raspberry_pi_drives_a_real_lock(board: Path) -> None:
    pi = board.stem.startswith("pi")
    loaded = load(board)
    assert loaded.pins.driver == ("gpiozero" if pi else "mock")
    assert loaded.camera.source == ("picamera2" if pi else "v4l2")


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_the_lock_is_at_rest_from_the_boot_loader_on(fragment: Path) -> None:
    pins = load(fragment.with_name(fragment.name.replace(".config.txt", ".toml"))).pins
    lines = gpio(fragment)
    assert lines[pins.relay] == ["op", "dl" if pins.relay_active_high else "dh"]
    assert 9 <= pins.relay <= 27, "only these have a pull-down at power-on"
    assert lines[pins.rex] == lines[pins.contact] == ["ip", "pu"]
    assert lines.keys() == {pins.relay, pins.rex, pins.contact}


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_killed_process_lets_go_of_the_relay_and_a_hung_kernel_reboots(fragment: Path) -> None:
    assert {"dtparam=strict_gpiod", "dtparam=watchdog=on"} <= set(boot_lines(fragment))


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_the_firmware_reads_whole_lines(fragment: Path) -> None:
    """It ignores what stands past 98 characters, and knows no comment after a value."""
    text = fragment.read_text()
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 98
    assert not [line for line in boot_lines(fragment) if "#" in line or " " in line]


def test_the_watchdog_stays_within_what_the_pi_counts() -> None:
    match = re.search(r"^RuntimeWatchdogSec=(\d+)s$", (ROOT / "firmware_config" / "watchdog.conf").read_text(), re.M)
    assert match
    assert int(match[1]) <= 15
