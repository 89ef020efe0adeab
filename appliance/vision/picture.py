"""Bytes that strangers send -> pixels. The header is judged before anything is decoded.

Only JPEG, PNG and WebP: what cameras and browsers make, and few enough to walk here to their end, so that
a cut file is refused instead of enrolled with a grey half (decoders fill it in silently).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.errors import ImageError
from appliance.facts import Pixels


@dataclass(frozen=True, slots=True)
class Limits:
    """How much picture is accepted."""

    max_bytes: int
    max_pixels: int = 25_000_000


UPLOAD = Limits(max_bytes=2_000_000)
"""From a browser."""
LOCAL = Limits(max_bytes=50_000_000)
"""From a file that an operator names."""
REDUCED_FROM = 8_000_000
"""Pixels from which a picture is decoded at half its size: a face needs far less, and memory is short."""
LEAST_SIDE = 32


def read_picture(path: Path, limits: Limits = LOCAL) -> Pixels:
    """Decode a file to (h, w, 3) uint8 BGR. Raises ImageError."""
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise _too_many_bytes(str(path), size, limits)
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}: name a JPEG, PNG or WebP file that can be read") from error
    return decode_picture(data, str(path), limits)


def decode_picture(data: bytes, name: str = "picture", limits: Limits = UPLOAD) -> Pixels:
    """Decode to (h, w, 3) uint8 BGR, upright by EXIF; 16 bits, grey and alpha become that too.

    Raises ImageError: empty, too large, not a picture, cut short, damaged.
    """
    if not data:
        raise ImageError(f"{name}: the file is empty: copy or send it again")
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(name, len(data), limits)
    width, height = _measure(data, name)
    if width * height > limits.max_pixels:
        raise ImageError(
            f"{name}: {width} x {height} is {width * height / 1e6:.1f} megapixels, at most "
            f"{limits.max_pixels / 1e6:g} are read: make it smaller"
        )
    if min(width, height) < LEAST_SIDE:
        raise ImageError(f"{name}: {width} x {height} pixels are too few to show a face: use a larger picture")
    flags = cv2.IMREAD_REDUCED_COLOR_2 if width * height >= REDUCED_FROM else cv2.IMREAD_COLOR
    try:
        pixels: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"{name}: cannot be decoded ({error.err}): save it again as JPEG or PNG") from error
    if pixels is None or pixels.size == 0:
        raise ImageError(f"{name}: damaged, cannot be decoded: save it again as JPEG or PNG")
    return pixels


def _too_many_bytes(name: str, size: int, limits: Limits) -> ImageError:
    return ImageError(f"{name}: {size / 1e6:.1f} MB, at most {limits.max_bytes / 1e6:g} MB are read: make it smaller")


def _measure(data: bytes, name: str) -> tuple[int, int]:
    """Width and height by the header of a whole file."""
    for magic, at, walk in _FORMATS:
        if data[at : at + len(magic)] == magic:
            try:
                return walk(data)
            except (struct.error, IndexError):
                raise ImageError(f"{name}: the file is cut short or damaged: copy or send it again") from None
    raise ImageError(f"{name}: not a JPEG, PNG or WebP picture: convert it to one of these")


def _jpeg(data: bytes) -> tuple[int, int]:
    """Walk the segments to the end-of-image marker; IndexError or struct.error where the file ends before.

    Of several frame headers the largest counts, whichever a decoder would believe.
    """
    size, at = (0, 0), 2
    while True:
        if data[at] != 0xFF:
            raise IndexError
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        at += 2
        if marker == 0xD9:
            break
        (length,) = struct.unpack_from(">H", data, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = max(size, (width, height), key=lambda sides: sides[0] * sides[1])
        at += length
        if marker == 0xDA:
            at = _after_scan(data, at)
    if size == (0, 0):
        raise IndexError
    return size


def _after_scan(data: bytes, at: int) -> int:
    """Where the next marker stands after entropy-coded data; FF 00 and restart markers belong to the data."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise IndexError
        following = data[at + 1]
        if following == 0xFF:
            at += 1
        elif following == 0 or 0xD0 <= following <= 0xD7:
            at += 2
        else:
            return at


def _png(data: bytes) -> tuple[int, int]:
    """Walk the chunks to IEND."""
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if at > len(data):
            raise IndexError
        if kind == b"IEND":
            return width, height


def _webp(data: bytes) -> tuple[int, int]:
    """The RIFF header states the file's length; the first chunk the picture's size, in one of three ways."""
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise IndexError
    kind = data[12:16]
    if kind == b"VP8X":
        wide, high = data[24:27], data[27:30]
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


_FORMATS = ((b"\xff\xd8\xff", 0, _jpeg), (b"\x89PNG\r\n\x1a\n", 0, _png), (b"WEBP", 8, _webp))
