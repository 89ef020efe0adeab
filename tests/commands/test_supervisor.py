"""Real child processes, stand-ins only in what they run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.commands.supervisor import (
    DOOR_NICENESS,
    FIRST_RESTART_SECONDS,
    SILENCE_SECONDS,
    START_SECONDS,
    LogTail,
    Supervisor,
    rss_mb,
)
from appliance.system import notify
from appliance.system.status import write_atomically

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture
def supervisor(tmp_path):
    log = LogTail(echo=False)
    made = Supervisor(tmp_path / "none.toml", log.add, ["door", "net"], tmp_path)
    made.log = log
    yield made
    made.stop()


def run_instead(supervisor, name, code):
    supervisor.children[name].command = [sys.executable, "-c", code]


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


LIVES = "import time; time.sleep(60)"


def test_what_dies_is_started_again_after_a_pause(supervisor):
    run_instead(supervisor, "door", LIVES)
    run_instead(supervisor, "net", "import sys; print('going', file=sys.stderr); sys.exit(3)")
    supervisor.start()
    net = supervisor.children["net"]
    until(lambda: net.pid is None)
    died = time.monotonic()
    supervisor.tick(died)
    assert net.restarts == 0
    supervisor.tick(died + FIRST_RESTART_SECONDS / 2)
    assert net.pid is None
    supervisor.tick(died + 10)
    assert net.restarts == 1
    assert net.pid is not None
    assert supervisor.children["door"].restarts == 0
    until(lambda: "net: going" in supervisor.log.latest(10))
    assert any("exit code 3" in line for line in supervisor.log.latest(10))


def test_the_pause_grows_while_a_child_keeps_dying(supervisor):
    run_instead(supervisor, "door", LIVES)
    run_instead(supervisor, "net", "raise SystemExit(1)")
    supervisor.start()
    net, now, pauses = supervisor.children["net"], time.monotonic(), []
    for _ in range(3):
        until(lambda: net.pid is None)
        supervisor.tick(now)
        pauses.append(net.pause)
        now = net.restart_at
        supervisor.tick(now)
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


def test_keys_reach_the_door_and_a_dead_door_does_not_hurt(supervisor, tmp_path):
    typed = tmp_path / "typed"
    run_instead(
        supervisor, "door", f"import sys; open({str(typed)!r}, 'w').write(sys.stdin.read(3)); raise SystemExit(1)"
    )
    run_instead(supervisor, "net", LIVES)
    supervisor.start()
    supervisor.type_keys("12")
    supervisor.type_keys("#")
    until(lambda: typed.exists() and typed.read_text() == "12#")
    until(lambda: supervisor.children["door"].pid is None)
    supervisor.type_keys("9")


def test_stop_ends_even_a_child_that_will_not(supervisor, monkeypatch):
    monkeypatch.setattr("appliance.commands.supervisor.STOP_SECONDS", 0.3)
    run_instead(supervisor, "door", LIVES)
    stubborn = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', file=sys.stderr, flush=True); "
    run_instead(supervisor, "net", stubborn + "time.sleep(60)")
    supervisor.start()
    until(lambda: "net: up" in supervisor.log.latest(5))
    pids = [child.pid for child in supervisor.children.values()]
    supervisor.stop()
    assert all(rss_mb(pid) == 0.0 for pid in pids)


def test_children_end_with_a_killed_supervisor(tmp_path):
    code = (
        "import subprocess, sys, os, time\n"
        "child = subprocess.Popen([sys.executable, '-c', "
        "'from appliance.system.parent import end_with_supervisor as e; import time; e(); "
        "print(1, flush=True); time.sleep(60)'], env=os.environ | {'LINTEL_SUPERVISOR': str(os.getpid())}, "
        "stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    assert rss_mb(child) > 0
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split(")")[1])


BEATS = (
    "import time; from appliance.system import notify; notify.ready()\nwhile True: notify.watchdog(); time.sleep(0.05)"
)


def test_what_hangs_is_killed_and_started_again(supervisor, monkeypatch):
    monkeypatch.setitem(SILENCE_SECONDS, "net", 1.0)
    for name in ("door", "net"):
        run_instead(supervisor, name, BEATS)
    supervisor.start()
    door, net = supervisor.children["door"], supervisor.children["net"]

    def ticked(condition):
        supervisor.tick(time.monotonic())
        return condition()

    until(lambda: ticked(lambda: door.ready and net.ready))
    first = net.pid
    os.kill(first, signal.SIGSTOP)
    until(lambda: ticked(lambda: net.restarts == 1 and net.pid not in (None, first) and net.ready))
    assert door.restarts == 0
    assert any("net hangs" in line for line in supervisor.log.latest(10))


def test_a_start_may_take_longer_than_a_silence_but_not_for_ever(supervisor):
    for name in ("door", "net"):
        run_instead(supervisor, name, LIVES)
    supervisor.start()
    net, started = supervisor.children["net"], supervisor.children["net"].started_at
    supervisor.tick(started + START_SECONDS - 1)
    assert net.pid is not None
    supervisor.tick(started + START_SECONDS + 1)
    assert net.pid is None


def test_another_processes_word_counts_for_nobody(supervisor, monkeypatch):
    for name in ("door", "net"):
        run_instead(supervisor, name, LIVES)
    supervisor.start()
    monkeypatch.setenv("NOTIFY_SOCKET", supervisor._manager.address)
    assert notify.ready()
    supervisor.tick(time.monotonic())
    assert not any(child.ready for child in supervisor.children.values())


def test_patience_is_that_of_the_units():
    for name, seconds in SILENCE_SECONDS.items():
        unit = (UNITS / f"lintel-{name}.service").read_text()
        assert f"\nWatchdogSec={seconds:g}\n" in unit
    assert f"\nNice={DOOR_NICENESS}\n" in (UNITS / "lintel-door.service").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask for precedence")
def test_the_door_runs_before_the_others(supervisor):
    for name in ("door", "net"):
        run_instead(supervisor, name, LIVES)
    supervisor.start()
    nice = {name: os.getpriority(os.PRIO_PROCESS, child.pid) for name, child in supervisor.children.items()}
    assert nice["door"] < nice["net"]


def test_a_door_whose_words_are_lost_lives_while_its_loop_dates_its_status(supervisor, tmp_path):
    run_instead(supervisor, "door", LIVES)
    run_instead(supervisor, "net", LIVES)
    supervisor.start()
    door, net = supervisor.children["door"], supervisor.children["net"]
    door.ready = net.ready = True
    at = time.monotonic() + SILENCE_SECONDS["net"] + 1
    for child in (door, net):
        write_atomically(tmp_path / child.name / "status.json", json.dumps({"at": at - 1, "pid": child.pid}).encode())
    supervisor.tick(at)
    assert door.pid is not None
    assert net.process is None or net.pid is None
    later = at + SILENCE_SECONDS["door"]
    supervisor.tick(later)
    assert door.pid is None


def test_another_process_status_keeps_no_silent_door_alive(supervisor, tmp_path):
    run_instead(supervisor, "door", LIVES)
    run_instead(supervisor, "net", LIVES)
    supervisor.start()
    door = supervisor.children["door"]
    door.ready = True
    at = time.monotonic() + SILENCE_SECONDS["door"] + 1
    write_atomically(tmp_path / "door" / "status.json", json.dumps({"at": at, "pid": door.pid + 1}).encode())
    supervisor.tick(at)
    assert door.pid is None
