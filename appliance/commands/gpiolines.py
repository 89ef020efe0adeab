"""What the kernel knows of GPIO lines, without asking for one: reading this moves no relay.

Character device ABI v2, <linux/gpio.h>.
"""

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

_CHIP_INFO = struct.Struct("=32s32sI")
_LINE_INFO = struct.Struct("=32s32sIIQ176s")
_GET_CHIP_INFO = 0x8044B401  # _IOR(0xB4, 0x01, struct gpiochip_info)
_GET_LINE_INFO = 0xC100B405  # _IOWR(0xB4, 0x05, struct gpio_v2_line_info)
_USED, _OUTPUT = 1 << 0, 1 << 3

HEADER_LABELS = ("pinctrl-bcm2711", "pinctrl-bcm2835", "pinctrl-rp1")
"""Drivers of the chip behind a Raspberry Pi's 40-pin header."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, as it stands."""

    number: int
    used: bool
    consumer: str
    output: bool


def header_chip(devices: Path = Path("/dev")) -> Path | None:
    """The chip behind the header, or None. Raises OSError: a chip may not be opened."""
    for path in sorted(devices.glob("gpiochip*")):
        raw = _ask(path, _GET_CHIP_INFO, bytes(_CHIP_INFO.size))
        if _text(_CHIP_INFO.unpack(raw)[1]) in HEADER_LABELS:
            return path
    return None


def line(chip: Path, number: int) -> Line:
    """How one line stands. Raises OSError: no such line, or no right to look."""
    return parse(_ask(chip, _GET_LINE_INFO, _LINE_INFO.pack(b"", b"", number, 0, 0, b"")))


def parse(raw: bytes) -> Line:
    """struct gpio_v2_line_info."""
    _, consumer, number, _, flags, _ = _LINE_INFO.unpack(raw)
    return Line(number, bool(flags & _USED), _text(consumer), bool(flags & _OUTPUT))


def _ask(path: Path, request: int, argument: bytes) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(handle, request, argument)
    finally:
        os.close(handle)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", "replace")
