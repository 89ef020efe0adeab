"""What the visitor's screen is given: its settings, what it follows, and what it may do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.settings import ScreenConfig
from appliance.web.languages import Language

ReadScreen = Callable[[], Mapping[str, Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Means:
    """What the screen may do to the world. Each returns soon; `call_help` may wait for the disk."""

    send_pin: Callable[[str], bool]
    """Digits to the door; False: it does not take them."""
    call_help: Callable[[], bool]
    """Put a call on record; True: a host will hear of it now. Raises LintelError."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Everything that the screen needs of the world."""

    config: ScreenConfig = field(default_factory=ScreenConfig)
    means: Means | None = None
    """None: the screen can only be looked at."""
    read: ReadScreen | None = None
    """Gives the door's and the vision process's statuses, in a thread that no slow disk holds up."""
    stamp: Callable[[], object] | None = None
    """Differs once there is something new to read, and is cheap; None: there always may be."""
    events_days: int = 90
    """How long an event is kept, for the notice."""
    languages: Mapping[str, Language] | None = None
    """In the place of ours."""
