"""What commands ask of the running door, and how they see what became of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from appliance.commands.checks import SILENT_SECONDS, heard
from appliance.config import Config

Found = TypeVar("Found")

WAIT_SECONDS = 2.0
"""So long the door is waited for; it acts within a quarter of a second."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Doorward:
    """The door's status file and its socket."""

    run: Path

    @property
    def status(self) -> Mapping[str, Any] | None:
        """What the door said last; None: it does not run, or hangs."""
        status, age = heard(self.run, "door")
        return status if age <= SILENT_SECONDS else None

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.run / "door" / "doorline.sock"


def doorward(config: Config) -> Doorward:
    """The door of these settings."""
    return Doorward(Path(config.paths.run))


def wait_for(look: Callable[[], Found | None], seconds: float = WAIT_SECONDS) -> Found | None:
    """The first answer that is not None, looked for now and then; None: none came in time."""
    end = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return found
