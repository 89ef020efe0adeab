"""How far the wall clock is believed."""

import time

import pytest

from appliance.facts import ClockQuality
from appliance.system import clock

THEN = 1_790_000_000.0


@pytest.mark.parametrize(
    ("utc", "synced", "was_set", "quality"),
    [
        (THEN, True, False, "synced"),
        (THEN, True, True, "synced"),
        (THEN, False, True, "holdover"),
        (THEN, None, True, "holdover"),
        (THEN, False, False, "unknown"),
        (THEN, None, False, "unknown"),
        (3600.0, True, True, "unknown"),  # 1970: nobody set it, whatever they say
    ],
)
def test_judge(utc, synced, was_set, quality):
    assert clock.judge(utc, synced, was_set) == ClockQuality(quality)


def test_now_reads_both_clocks():
    before = (time.monotonic(), time.time())
    moment = clock.now()
    after = (time.monotonic(), time.time())
    assert before[0] <= moment.mono <= after[0]
    assert before[1] <= moment.utc <= after[1]


def test_the_kernel_may_be_asked():
    assert clock.kernel_synced() in (True, False, None)


def test_rtc_flag(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "TIMESYNC_FLAG", tmp_path / "synchronized")
    monkeypatch.setattr(clock, "RTC_FLAG", tmp_path / "hctosys")
    assert not clock.was_set()
    (tmp_path / "hctosys").write_text("0\n")
    assert not clock.was_set()
    (tmp_path / "hctosys").write_text("1\n")
    assert clock.was_set()
    (tmp_path / "hctosys").unlink()
    (tmp_path / "synchronized").touch()
    assert clock.was_set()


def test_boot_id(tmp_path, monkeypatch):
    assert len(clock.boot_id()) == 36
    assert clock.boot_id() == clock.boot_id()
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "none")
    assert clock.boot_id() == ""
