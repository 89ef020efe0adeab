"""The status file: latest wins, whole or not at all, and nobody waits for it."""

import json
import os
import time

from appliance.system.status import StatusFile, read_status, write_atomically


def eventually(check, seconds=2.0):
    end = time.monotonic() + seconds
    while not (value := check()) and time.monotonic() < end:
        time.sleep(0.005)
    return value


def test_published_and_read(tmp_path):
    path = tmp_path / "door" / "status.json"
    file = StatusFile(path)
    file.publish({"state": "LOCKED"})
    got = eventually(lambda: read_status(path))
    assert got["state"] == "LOCKED"
    assert got["pid"] == os.getpid()
    assert abs(time.monotonic() - got["at"]) < 2
    file.close()


def test_the_last_one_published_is_written_at_close(tmp_path):
    file = StatusFile(tmp_path / "s.json")
    for n in range(2000):
        file.publish({"n": n})
    file.close()
    file.close()
    assert read_status(tmp_path / "s.json")["n"] == 1999
    assert [p.name for p in tmp_path.iterdir()] == ["s.json"]


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "s.json"
    file = StatusFile(path)
    file.publish({"pad": "x" * 20_000})
    eventually(path.exists)
    for n in range(300):
        file.publish({"pad": "x" * 20_000, "n": n})
        assert read_status(path) is not None
    file.close()


def test_garbled_or_missing_is_none(tmp_path):
    path = tmp_path / "s.json"
    assert read_status(path) is None
    for content in (b"", b"{", b"[1]", b"\xff\xfe", b"[" * 50_000, b'{"a":"' + b"x" * 70_000 + b'"}'):
        path.write_bytes(content)
        assert read_status(path) is None
    path.unlink()
    path.mkdir()
    assert read_status(path) is None


def test_an_outage_is_said_once_and_ends(tmp_path, caplog):
    (tmp_path / "door").write_text("a file where the directory should be")
    file = StatusFile(tmp_path / "door" / "s.json")
    for _ in range(5):
        file.publish({"a": 1})
        time.sleep(0.02)
    assert len(caplog.records) == 1
    (tmp_path / "door").unlink()
    file.publish({"a": 2})
    assert eventually(lambda: read_status(tmp_path / "door" / "s.json"))["a"] == 2
    file.publish({"a": float("nan")})
    assert eventually(lambda: len(caplog.records) == 2)
    file.close()


def test_mode_lets_the_group_read(tmp_path):
    write_atomically(tmp_path / "s.json", json.dumps({}).encode())
    assert (tmp_path / "s.json").stat().st_mode & 0o777 == 0o640
