"""The three daemons as children of one terminal: started, restarted when they die, stopped together.

On a board systemd does this; here the same rules hold: a child that dies is started again, the
door before all others, one that hangs is killed first, and no child outlives its parent.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from appliance.system import notify
from appliance.system.parent import SUPERVISOR
from appliance.system.status import read_status

log = logging.getLogger(__name__)

FIRST_RESTART_SECONDS = 0.5
LONGEST_RESTART_SECONDS = 10.0
STEADY_SECONDS = 20.0
"""A child that lived this long starts afresh: its next restart is quick again."""
STOP_SECONDS = 5.0
SILENCE_SECONDS = {"door": 5.0, "vision": 10.0, "net": 10.0}
"""A child that has not said for so long that it is alive hangs: WatchdogSec= of its unit."""
START_SECONDS = 90.0
"""The same, until it has said for the first time that it is ready."""
DOOR_NICENESS = -10
"""Nice= of its unit, where this user may: the lock moves on time however busy the machine is."""


@dataclass(slots=True)
class Child:
    """One daemon and its history."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    restarts: int = 0
    pause: float = FIRST_RESTART_SECONDS
    peak_mb: float = field(default=0.0)
    ready: bool = False
    heard_at: float = 0.0
    """Monotonic seconds of its last word, or of its start."""

    @property
    def patience(self) -> float:
        """Seconds it may be silent."""
        return SILENCE_SECONDS[self.name] if self.ready else START_SECONDS

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self.process.pid if self.process and self.process.poll() is None else None


class Supervisor:
    """Starts `lintel door|vision|net` and keeps them running. `tick` is called a few times a second."""

    def __init__(
        self, config_file: Path, on_log: Callable[[str, str], None], names: Sequence[str], run: Path | None = None
    ) -> None:
        """`run`: where the daemons keep their status files; None: their own words alone count."""
        self._on_log, self._run = on_log, run
        base = [sys.executable, "-m", "appliance", "--config", str(config_file)]
        self.children = {name: Child(name, [*base, name]) for name in names}
        self._manager = notify.Manager()

    def start(self) -> None:
        """Start every child, in the order given."""
        for child in self.children.values():
            self._spawn(child)

    def tick(self, now: float) -> None:
        """Kill what hangs; start again what died, after a pause that doubles while it keeps dying; note memory."""
        self._listen(now)
        for child in self.children.values():
            if child.pid is not None:
                child.peak_mb = max(child.peak_mb, _peak_mb(child.pid))
                self._end_if_hung(child, now)
            elif child.process is not None:
                self._bury(child, now)
            elif now >= child.restart_at:
                child.restarts += 1
                self._spawn(child)

    def type_keys(self, keys: str) -> None:
        """Hand keys to the door as if typed at its keypad. A door that is down hears nothing."""
        process = self.children["door"].process
        if process and process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(keys.encode("ascii"))
                process.stdin.flush()

    def stop(self) -> None:
        """End the children: politely, then for good. The door goes last, so that egress lasts longest."""
        for child in reversed(self.children.values()):
            process = child.process
            if process is None:
                continue
            child.peak_mb = max(child.peak_mb, _peak_mb(process.pid))
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop within %g s; killing it", child.name, STOP_SECONDS)
                process.kill()
                process.wait()
            child.process = None
        self._manager.close()

    def _listen(self, now: float) -> None:
        running = {child.pid: child for child in self.children.values() if child.pid is not None}
        for pid, words in self._manager.heard():
            if (child := running.get(pid)) is not None:
                child.heard_at = now
                child.ready = child.ready or "READY=1" in words

    def _end_if_hung(self, child: Child, now: float) -> None:
        silent = now - child.heard_at
        if child.process is not None and silent > child.patience and not self._seen_alive(child, now):
            # SIGKILL ends even a process that is stopped.
            child.process.kill()
            child.process.wait()
            self._on_log("run", f"{child.name} hangs: not a word for {silent:.0f} s; killed it")

    def _seen_alive(self, child: Child, now: float) -> bool:
        """The door's second witness: words can be lost, but its loop dates its status too. A lock is not cut short."""
        if child.name != "door" or not child.ready or self._run is None:
            return False
        status = read_status(self._run / child.name / "status.json") or {}
        at = status.get("at")
        return status.get("pid") == child.pid and isinstance(at, int | float) and 0 <= now - at <= child.patience

    def _spawn(self, child: Child) -> None:
        typed = child.name == "door"
        child.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            child.command,
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # Ctrl-C reaches the terminal's whole group; only the parent acts on it, and stops the door last.
            process_group=0,
            env=os.environ | {SUPERVISOR: str(os.getpid()), "NOTIFY_SOCKET": self._manager.address},
        )
        if typed:
            with contextlib.suppress(OSError):  # only root may
                os.setpriority(os.PRIO_PROCESS, child.process.pid, DOOR_NICENESS)
        child.started_at = child.heard_at = time.monotonic()
        child.ready = False
        stream = child.process.stderr
        assert stream is not None  # noqa: S101 - asked for two lines above
        threading.Thread(target=self._relay_log, args=(child.name, stream), daemon=True).start()

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101 - the caller looked
        status = child.process.wait()
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        child.pause = (
            FIRST_RESTART_SECONDS
            if now - child.started_at > STEADY_SECONDS
            else min(child.pause * 2, LONGEST_RESTART_SECONDS)
        )
        if child.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                child.process.stdin.close()
        child.process = None
        child.restart_at = now + child.pause
        self._on_log("run", f"{child.name} ended ({how}); starting it again in {child.pause:g} s")

    def _relay_log(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._on_log(name, line.decode("utf-8", "replace").rstrip())


class LogTail:
    """The last lines that the daemons logged, kept for the live view or passed straight on."""

    def __init__(self, echo: bool) -> None:
        self._lines: deque[str] = deque(maxlen=200)
        self._echo = echo

    def add(self, name: str, line: str) -> None:
        """Take one line from a daemon; called from the relay threads."""
        self._lines.append(f"{name}: {line}")
        if self._echo:
            print(f"{name}: {line}", file=sys.stderr, flush=True)

    def latest(self, count: int) -> list[str]:
        """The newest `count` lines, oldest first."""
        return list(self._lines)[-count:]


def rss_mb(pid: int) -> float:
    """Resident memory of a process now, in MB (10^6 bytes); 0 if it is gone."""
    return _status_field(pid, "VmRSS:")


def _peak_mb(pid: int) -> float:
    return _status_field(pid, "VmHWM:")


def _status_field(pid: int, name: str) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):
        pass
    return 0.0
