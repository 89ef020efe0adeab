"""SIGKILLs of the door's journal: `python -m tests.beds.journal_kills COUNT [--seed N] [--liar]` prints what was found.

A process of its own, so that children can be forked from one thread with everything imported. Each child runs
the real journal on a real store, and says over a pipe what was acknowledged; then it is killed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.door.memory import Memory
from appliance.door.pinhash import PinHash
from appliance.facts import Event
from appliance.store import database
from appliance.store.ballast import FILE as BALLAST
from appliance.store.ballast import Ballast
from appliance.store.chain import StoredEvent
from tests.beds.journal_life import FILLER, LIFE, Ack, faults_of, live, older_database

LONGEST_SECONDS = 0.12
"""From the fork to the kill: opening takes the first 10 ms or so."""
KILLS_A_DATABASE = 12
SMALL_DISK = "12m"
PAIR = struct.Struct("=qq")

PHASES = ("work", "migration", "full disk", "work")
"""What a database goes through, in turn."""


class Liar(Memory):
    """Says that events are durable before they are."""

    said = 0

    def append(self, events: Sequence[Event]) -> list[StoredEvent]:
        if not self._db.conn.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        stored = super().append(events)
        self.said += 1
        if self.said % 8 == 0:
            self._db.execute("COMMIT")
        return stored


def child(state: Path, first: int, seed: int, pipe: int, liar: bool) -> None:
    def tell(acks: list[Ack]) -> None:
        os.write(pipe, b"".join(PAIR.pack(*ack) for ack in acks))  # whole: less than PIPE_BUF

    kind = Liar if liar else Memory
    live(
        state,
        first,
        None,
        tell,
        open_store=lambda: kind(state, PinHash()),
        dice=random.Random(seed),
        house=not liar,
    )


def killed(state: Path, first: int, seed: int, seconds: float, liar: bool) -> list[Ack]:
    """Run a child, kill it after `seconds`. Returns what it had said by then."""
    reader, pipe = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            child(state, first, seed, pipe, liar)
        finally:
            os._exit(3)
    os.close(pipe)
    said = bytearray()
    until = time.monotonic() + seconds
    os.set_blocking(reader, False)
    while time.monotonic() < until:
        with suppress(BlockingIOError):
            said += os.read(reader, 65536)
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    with open(reader, "rb", buffering=0) as rest:
        os.set_blocking(reader, True)
        said += rest.read()
    return [PAIR.unpack_from(said, at) for at in range(0, len(said) - PAIR.size + 1, PAIR.size)]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A tmpfs of its own; None without the right to mount one."""
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    try:
        yield None if mount.returncode else folder
    finally:
        if not mount.returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(state: Path) -> Path:
    """Take every free byte but the ballast's."""
    path = state / FILLER
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return path


def prepare(state: Path, phase: str) -> list[Ack]:
    """A fresh state folder. Returns what is acknowledged in it already."""
    for entry in state.iterdir():
        entry.unlink()
    acks: list[Ack] = []
    if phase == "migration":
        older_database(state, database.connect, acks.extend)
    return acks


def run(count: int, seed: int, liar: bool) -> dict[str, object]:
    dice = random.Random(seed)
    began = time.monotonic()
    found: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    said: list[str] = []
    base = Path(tempfile.mkdtemp(prefix="kills", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        with small_disk(base / "small") as small:
            (base / "state").mkdir()
            acks: list[Ack] = []
            for number in range(count):
                turn, within = divmod(number, KILLS_A_DATABASE)
                phase = PHASES[turn % len(PHASES)]
                if phase == "full disk" and small is None:
                    phase = "work"
                state = small if phase == "full disk" and small else base / "state"
                if within == 0 or phase == "migration":
                    acks = prepare(state, phase)
                filler = None
                if phase == "full disk" and within:
                    Ballast(state / BALLAST).keep()
                    filler = fill(state)
                # A migration is over soon: kill early.
                seconds = dice.random() * LONGEST_SECONDS * (0.3 if phase == "migration" else 1)
                fresh = killed(state, (number + 1) * LIFE, dice.randrange(1 << 30), seconds, liar)
                if filler:
                    filler.unlink()
                acks += fresh
                wrong, lost = faults_of(state, acks)
                found.update(kills=1, acknowledged=len(fresh), lost=lost, corrupt=bool(wrong))
                phases[phase] += 1
                found["ballast given up"] += filler is not None and not (state / BALLAST).exists()
                said += wrong
                if lost:  # counted once
                    acks = []
    finally:
        shutil.rmtree(base, ignore_errors=True)
    seconds_taken = round(time.monotonic() - began, 1)
    return {**found, "phases": dict(phases), "said": said[:5], "seconds": seconds_taken}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--liar", action="store_true")
    asked = parser.parse_args()
    print(json.dumps(run(asked.count, asked.seed, asked.liar)))


if __name__ == "__main__":
    main()
