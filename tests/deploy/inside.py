"""What test_machine.py has done inside the machine it boots: one JSON object of facts, judged outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

RUN = Path("/run/lintel")
DAEMONS = ("door", "vision", "net")
SITE = """
[site]
door = "front"
[camera]
source = "visitors"
[pins]
driver = "mock"
"""


def main(result: Path) -> None:
    facts: dict[str, object] = {}
    result.unlink(missing_ok=True)
    try:
        for step in STEPS:
            facts[step.__name__] = step()
    except BaseException as error:
        facts["broke"] = repr(error)
        raise
    finally:
        facts["journal"] = sh("journalctl", "-b", "-u", "lintel-*", "--no-pager", "-o", "cat", "-n", "400")
        result.write_text(json.dumps(facts))


def starts() -> dict[str, object]:
    Path("/etc/lintel/lintel.toml").write_text(SITE)
    sh("systemctl", "restart", *units())
    wait(lambda: all(fresh(name) for name in DAEMONS), 60, "three fresh statuses")
    probes = {name: probe(name) for name in DAEMONS}
    return {"doctor": doctor(), "probes": probes, "users": {name: owner(name) for name in DAEMONS}}


def survives_a_freeze() -> dict[str, object]:
    """SIGSTOP: the process is there and does nothing. Only the watchdog can tell."""
    before = pid("door")
    os.kill(before, signal.SIGSTOP)
    began = time.monotonic()
    wait(lambda: pid("door") not in (0, before) and fresh("door"), 60, "a new door process")
    seconds, restarts = time.monotonic() - began, int(show("door", "NRestarts"))
    sh("systemctl", "stop", "lintel-door")  # a start would clear what ExecStopPost= gave
    rest = show("door", "ExecStopPost")
    sh("systemctl", "start", "lintel-door")
    wait(lambda: fresh("door"), 60, "the door again")
    others = {name: frozen(name) for name in ("vision", "net")}
    return {"seconds": seconds, "restarts": restarts, "rest": rest, "others": others}


def frozen(name: str) -> dict[str, object]:
    """The same of a neighbour: how long until another process does its duty, and whether the door noticed nothing."""
    before, door = pid(name), pid("door")
    os.kill(before, signal.SIGSTOP)
    began = time.monotonic()
    wait(lambda: pid(name) not in (0, before) and fresh(name), 90, f"a new {name} process")
    result = sh("journalctl", "-b", "-u", f"lintel-{name}", "--no-pager", "-o", "cat")
    return {"seconds": time.monotonic() - began, "told": "atchdog timeout" in result, "door": pid("door") == door}


def shows_a_screen() -> dict[str, object]:
    """Installed and not enabled; systemd here takes every line of it. There is no display to start it on."""
    return {
        "enabled": subprocess.run(
            ["systemctl", "is-enabled", "lintel-screen"], capture_output=True, text=True, check=False
        ).stdout.strip(),
        "state": show("screen", "LoadState"),
        "verify": subprocess.run(
            ["systemd-analyze", "verify", "lintel-screen.service"], capture_output=True, text=True, check=False
        ).stderr,
        "security": sh("systemd-analyze", "security", "lintel-screen", "--no-pager").strip().splitlines()[-1],
    }


def outlives_the_others() -> dict[str, object]:
    """Vision killed over and over, then all others stopped: the door does not so much as blink."""
    before, oldest = pid("door"), 0.0
    for _ in range(6):
        if victim := pid("vision"):
            os.kill(victim, signal.SIGKILL)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            oldest = max(oldest, age("door"))
            time.sleep(0.05)
    wait(lambda: fresh("vision"), 60, "vision again, past any start limit")
    restarts = int(show("vision", "NRestarts"))
    sh("systemctl", "stop", "lintel-vision", "lintel-net")
    wait(lambda: status("door").get("vision") == "lost", 30, "word that vision is lost")
    alone = status("door")
    sh("systemctl", "start", "lintel-vision", "lintel-net")
    wait(lambda: fresh("vision") and fresh("net"), 60, "vision and net")
    return {"same": pid("door") == before, "oldest": oldest, "vision_restarts": restarts, "alone": alone}


def takes_an_administrator() -> dict[str, object]:
    """A command of root's leaves files that the services can still use."""
    listed = sh("lintel", "people", "list")
    sh("systemctl", "restart", *units())
    wait(lambda: all(fresh(name) for name in DAEMONS), 60, "three fresh statuses")
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in Path("/var/lib/lintel").iterdir()}
    return {"listed": listed, "modes": modes, "doctor": doctor()}


def seals_its_key() -> dict[str, object]:
    told = sh("/src/deploy/install.sh", "--board", "debian", "--seal")
    wait(lambda: all(fresh(name) for name in DAEMONS), 60, "three fresh statuses")
    return {"file": Path("/var/lib/lintel/device.key").exists(), "doctor": doctor(), "told": told}


def is_removed() -> dict[str, object]:
    sh("/src/deploy/uninstall.sh")
    left = [name for name in units() if Path(f"/etc/systemd/system/{name}.service").exists()]
    return {"left": left, "opt": os.listdir("/opt"), "state": os.listdir("/var/lib/lintel")}


def probe(name: str) -> dict[str, object]:
    """What the sandbox of a running unit looks like from its own side."""
    mounts = [line.split() for line in Path(f"/proc/{pid(name)}/mountinfo").read_text().splitlines()]
    flags = {mount[4]: mount[5].split(",") for mount in mounts}  # the last mount on a place is the one seen
    status = Path(f"/proc/{pid(name)}/status").read_text()
    words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {
        "flags": {place: flags[place] for place in ("/", "/run", "/var/lib/lintel", f"/run/lintel/{name}")},
        "capabilities": words["CapEff"],
        "no_new_privileges": words["NoNewPrivs"],
        "seccomp": words["Seccomp"],
        "scheduling": os.sched_getscheduler(pid(name)),
        "network": os.readlink(f"/proc/{pid(name)}/ns/net") != os.readlink("/proc/1/ns/net"),
    }


def doctor() -> dict[str, object]:
    done = subprocess.run(["lintel", "doctor", "--json"], capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else {"ok": False, "stderr": done.stderr}


def owner(name: str) -> str:
    return sh("stat", "-c", "%U:%G", f"/proc/{pid(name)}").strip()


def status(name: str) -> dict[str, object]:
    try:
        return json.loads((RUN / name / "status.json").read_text())
    except (OSError, ValueError):
        return {}


def age(name: str) -> float:
    return time.monotonic() - float(status(name).get("at", -1e9))


def fresh(name: str) -> bool:
    return age(name) < 3 and status(name).get("pid") == pid(name) and show(name, "ActiveState") == "active"


def pid(name: str) -> int:
    return int(show(name, "MainPID"))


def show(name: str, key: str) -> str:
    return sh("systemctl", "show", f"lintel-{name}", "-P", key).strip()


def units() -> list[str]:
    return [f"lintel-{name}" for name in DAEMONS]


def sh(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} gave {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return done.stdout


def wait(happened: Callable[[], bool], seconds: float, what: str) -> None:
    ends = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > ends:
            states = {name: (show(name, "ActiveState"), status(name)) for name in DAEMONS}
            raise RuntimeError(f"no {what} in {seconds} s: {states}")
        time.sleep(0.2)


STEPS = (
    starts,
    shows_a_screen,
    survives_a_freeze,
    outlives_the_others,
    takes_an_administrator,
    seals_its_key,
    is_removed,
)
main(Path(sys.argv[1]))
