"""GPIO lines. The only file that imports gpiozero; with `driver = "mock"` its recording pins stand in."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar

from gpiozero import GPIOZeroError
from gpiozero.pins.mock import MockFactory, MockPin

from appliance.errors import LockError
from appliance.settings import PinsConfig, WiegandConfig

log = logging.getLogger(__name__)

Taken = TypeVar("Taken")

DEBOUNCE_SECONDS = 0.005
"""A dry contact settles within a few milliseconds."""
STATES_KEPT = 1000

OnChange = Callable[[str, bool, float], None]
"""Called with (name, active, monotonic seconds), from gpiozero's thread."""


class RelayLine:
    """The relay's coil, or a lamp, on one line. Taken at rest: no pulse."""

    def __init__(self, pin: Any, active_high: bool, name: str = "relay") -> None:
        self._pin = pin
        self._active_high = active_high
        self._name = name
        with _explained(name):
            pin.output_with_state(not active_high)

    def energise(self, on: bool) -> None:
        """Current, or none. Raises LockError."""
        with _explained(self._name):
            self._pin.state = on is self._active_high

    @property
    def energised(self) -> bool:
        """What the line says, read back. Raises LockError."""
        with _explained(self._name):
            return bool(self._pin.state) is self._active_high


class Switch:
    """A button or contact between one line and ground, with the pull-up on."""

    def __init__(self, name: str, pin: Any, active_low: bool) -> None:
        self.name = name
        self._pin = pin
        self._active_low = active_low
        self._on_change: OnChange | None = None
        with _explained(name):
            pin.input_with_pull("up")
            pin.bounce = DEBOUNCE_SECONDS

    @property
    def active(self) -> bool:
        """The level as it is now: pressed, open, or alarm. Raises LockError."""
        with _explained(self.name):
            return bool(self._pin.state) is not self._active_low

    def watch(self, on_change: OnChange) -> None:
        """Tell of edges from now on. They are hints: one may get lost. Raises LockError."""
        self._on_change = on_change
        with _explained(self.name):
            self._pin.edges = "both"
            self._pin.when_changed = self._changed

    def _changed(self, _ticks: float, state: bool) -> None:
        if self._on_change is not None:
            self._on_change(self.name, bool(state) is not self._active_low, time.monotonic())


class PulseIn:
    """One data line of a card reader. It idles high; each pull to ground is one bit."""

    def __init__(self, name: str, pin: Any) -> None:
        self.name = name
        self._pin = pin
        self._on_pulse: Callable[[float], None] | None = None
        with _explained(name):
            pin.input_with_pull("up")
            pin.bounce = None  # a pulse is shorter than any debounce

    def watch(self, on_pulse: Callable[[float], None]) -> None:
        """Called with monotonic seconds at each pulse, from gpiozero's thread. Raises LockError."""
        self._on_pulse = on_pulse
        with _explained(self.name):
            self._pin.edges = "falling"
            self._pin.when_changed = self._changed

    def _changed(self, _ticks: float, _state: bool) -> None:
        if self._on_pulse is not None:
            self._on_pulse(time.monotonic())


class PulseOut:
    """One data line to another panel, as a reader drives it. Taken high: no pulse."""

    def __init__(self, name: str, pin: Any) -> None:
        self.name = name
        self._pin = pin
        with _explained(name):
            pin.output_with_state(True)

    def pulse(self, seconds: float) -> None:
        """To ground for at least `seconds`. Python keeps no microseconds: it may take longer. Raises LockError."""
        with _explained(self.name):
            self._pin.state = False
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:  # too short to sleep
                pass
            self._pin.state = True


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines of one door."""

    relay: RelayLine
    switches: dict[str, Switch]
    """Those that are wired, of `rex`, `contact`, `tamper` and `fire`."""
    bench: "Bench | None" = None
    """The other end of the wires, where the pins are simulated."""
    reader: tuple[PulseIn, PulseIn] | None = None
    """D0 and D1 of a Wiegand reader."""
    lamps: dict[str, RelayLine] = field(default_factory=dict)
    """Those that are wired, of `green`, `red` and `buzzer`."""
    panel: tuple[PulseOut, PulseOut] | None = None
    """D0 and D1 to another panel."""


class Bench:
    """The other end of simulated wires: a hand on the switches, an eye on the relay."""

    def __init__(self, relay: MockPin, active_high: bool, inputs: dict[str, MockPin]) -> None:
        self._relay, self._active_high, self._inputs = relay, active_high, inputs
        relay.clear_states()
        self._began = time.monotonic()
        for name in ("contact", "tamper", "fire"):
            self.set(name, open_=False)

    def set(self, name: str, *, open_: bool) -> None:
        """Open or close the switch `name`; one that is not wired stays as it is. A closed one pulls to ground."""
        pin = self._inputs.get(name)
        if pin is not None:
            (pin.drive_high if open_ else pin.drive_low)()

    def relay_edges(self) -> list[tuple[float, bool]]:
        """Where the coil stood first, and every change since: (monotonic seconds, energised), oldest first."""
        states = list(self._relay.states)
        times = accumulate((state.timestamp for state in states), initial=self._began)
        next(times)
        edges = [(at, state.state is self._active_high) for at, state in zip(times, states, strict=True)]
        if len(states) > STATES_KEPT:
            self._relay.clear_states()
            self._began = time.monotonic()
        return edges


# Whether the line reads low when there is something to tell: the button pressed, the door open, the case
# open, the fire relay open or its wire cut.
_ACTIVE_LOW = {"rex": True, "contact": False, "tamper": False, "fire": False}


def open_lines(config: PinsConfig, wiegand: WiegandConfig | None = None) -> Lines:
    """Take every wired line, the relay first and at rest, then the way out; any other that fails is left out.

    Raises LockError: no relay, `rex` or `fire`: no such line, or it is taken.
    """
    factory = MockFactory() if config.driver == "mock" else _real_factory()
    with _explained("relay"):
        relay_pin = factory.pin(config.relay)
    if config.driver == "mock" and not config.relay_active_high:
        relay_pin.drive_high()  # the relay board's own pull-up
    relay = RelayLine(relay_pin, config.relay_active_high)
    pins: dict[str, Any] = {}
    switches: dict[str, Switch] = {}

    def take(name: str) -> None:
        if (number := getattr(config, name)) >= 0:
            with _explained(name):
                pin = factory.pin(number)
            switches[name], pins[name] = Switch(name, pin, _ACTIVE_LOW[name]), pin

    take("rex")
    take("fire")
    for name in ("contact", "tamper"):
        _spared(take, name)
    bench = Bench(relay_pin, config.relay_active_high, pins) if config.driver == "mock" else None
    reader = _spared(_reader, factory, wiegand) if wiegand is not None else None
    panel = _spared(_panel, factory, wiegand) if wiegand is not None else None
    lamps = {name: getattr(config, name) for name in ("green", "red", "buzzer")}
    lit = {name: _spared(_lamp, factory, name, line) for name, line in lamps.items() if line >= 0}
    return Lines(relay, switches, bench, reader, {name: lamp for name, lamp in lit.items() if lamp}, panel)


def _spared(take: Callable[..., Taken], *args: Any) -> Taken | None:
    """What `take` takes; None where it cannot be had: the way out needs none of these lines."""
    try:
        return take(*args)
    except LockError as error:
        log.error("%s; the door goes on without it", error)
        return None


def _lamp(factory: Any, name: str, line: int) -> RelayLine:
    with _explained(name):
        pin = factory.pin(line)
    return RelayLine(pin, True, name)


def _reader(factory: Any, config: WiegandConfig) -> tuple[PulseIn, PulseIn] | None:
    if config.d0 < 0:
        return None
    with _explained("wiegand"):
        return PulseIn("wiegand.d0", factory.pin(config.d0)), PulseIn("wiegand.d1", factory.pin(config.d1))


def _panel(factory: Any, config: WiegandConfig) -> tuple[PulseOut, PulseOut] | None:
    if config.out_d0 < 0:
        return None
    with _explained("wiegand"):
        out = factory.pin(config.out_d0), factory.pin(config.out_d1)
        return PulseOut("wiegand.out_d0", out[0]), PulseOut("wiegand.out_d1", out[1])


def _real_factory() -> Any:
    """lgpio, whose output pins are claimed with their level: gpiozero's own are claimed low and then set."""
    try:
        import lgpio  # noqa: PLC0415 - only on a board
        from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin  # noqa: PLC0415
    except ImportError as error:
        raise LockError(f"GPIO needs the package lgpio ({error}); install it, or set pins.driver = 'mock'") from None

    class QuietPin(LGPIOPin):  # type: ignore[misc]
        def output_with_state(self, state: bool) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(state))

    with _explained("chip"):
        factory = LGPIOFactory()
    factory.pin_class = QuietPin
    return factory


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except _errors() as error:
        raise LockError(
            f"GPIO line of {name}: {error}; check pins.{name} against the wiring, that no other program holds the "
            "line, and that the user is in group gpio"
        ) from error


def _errors() -> tuple[type[Exception], ...]:
    """What a driver raises; lgpio's own error is no child of any of gpiozero's."""
    lgpio = sys.modules.get("lgpio")
    return (GPIOZeroError, OSError, ValueError, *([lgpio.error] if lgpio else []))
