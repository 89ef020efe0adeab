"""sd_notify, against a real socket in the service manager's place."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.system import notify


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        name = str(tmp_path / "n") if request.param == "file" else f"@lintel-{os.getpid()}"
        line.bind(name.replace("@", "\0", 1))
        line.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield line


def test_words_arrive(manager):
    assert notify.ready("locked")
    assert manager.recv(100) == b"READY=1\nSTATUS=locked"
    assert notify.watchdog()
    assert manager.recv(100) == b"WATCHDOG=1"
    assert notify.status("open")
    assert notify.stopping()
    assert [manager.recv(100), manager.recv(100)] == [b"STATUS=open", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_nobody_listens(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify.ready()


def test_a_full_manager_is_not_waited_for(manager):
    assert not all(notify.watchdog() for _ in range(5000))


def test_watchdog_seconds(monkeypatch):
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert notify.watchdog_seconds() == 3.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.watchdog_seconds() is None
    monkeypatch.delenv("WATCHDOG_PID")
    for word in ("", "0", "-1", "x"):
        monkeypatch.setenv("WATCHDOG_USEC", word)
        assert notify.watchdog_seconds() is None


def test_the_manager_hears_words_and_who_said_them(monkeypatch):
    manager = notify.Manager()
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    folder = Path(manager.address).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(manager.heard()) == []
    assert notify.ready("locked")
    code = "from appliance.system import notify; raise SystemExit(not notify.watchdog())"
    other = subprocess.Popen([sys.executable, "-c", code])
    assert other.wait(20) == 0
    assert list(manager.heard()) == [
        (os.getpid(), frozenset({"READY=1", "STATUS=locked"})),
        (other.pid, frozenset({"WATCHDOG=1"})),
    ]
    manager.close()
    manager.close()
    assert not notify.ready()
    assert not folder.exists()


def test_what_another_user_says_is_dropped(monkeypatch):
    manager = notify.Manager()
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    assert notify.watchdog()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert list(manager.heard()) == []
    manager.close()
