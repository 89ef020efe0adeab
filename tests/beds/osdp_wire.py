"""OSDP on the wire: a peripheral and a panel of our own, independent of libosdp.

They share no line with it. They were written with the source of python-osdp known, so they are no
third reading of IEC 60839-11-5: where python-osdp is wrong about it, these may be too.

A test bed: both can be made to misbehave. Bytes of a packet: 0x53, address (reply: 0x80 more),
length (2, little-endian), control (sequence, 0x04 CRC, 0x08 security block), the security block,
the code, data, a MAC of 4, a CRC of 2.
"""

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

POLL, ID, CAP, LSTAT, OUT, LED, BUZ, COMSET, KEYSET, CHLNG, SCRYPT = (
    0x60, 0x61, 0x62, 0x64, 0x68, 0x69, 0x6A, 0x6E, 0x75, 0x76, 0x77,
)  # fmt: skip
ACK, NAK, PDID, PDCAP, LSTATR, RAW, KEYPAD, CCRYPT, RMAC_I = 0x40, 0x41, 0x45, 0x46, 0x48, 0x50, 0x53, 0x76, 0x78
DEFAULT_KEY = bytes(range(0x30, 0x40))


def crc(data: bytes) -> bytes:
    """CCITT, polynomial 0x1021, begun with 0x1D0F, low byte first."""
    value = 0x1D0F
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value.to_bytes(2, "little")


def ecb(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def cbc(key: bytes, start: bytes, data: bytes, *, undo: bool = False) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(start))
    return (cipher.decryptor() if undo else cipher.encryptor()).update(data)


def inverse(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


def padded(data: bytes) -> bytes:
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


class Keys:
    """A session's three keys, and the chain of MACs."""

    def __init__(self, scbk: bytes, ours: bytes) -> None:
        self.enc, self.mac1, self.mac2 = (
            ecb(scbk, bytes([1, kind]) + ours[:6] + bytes(8)) for kind in (0x82, 0x01, 0x02)
        )
        self.last = bytes(16)

    def begin(self, server: bytes) -> None:
        self.last = ecb(self.mac2, ecb(self.mac1, server))

    def mac(self, message: bytes) -> bytes:
        """The next in the chain, over a message up to its MAC."""
        whole = message if len(message) % 16 == 0 else padded(message)
        start = cbc(self.mac1, self.last, whole[:-16])[-16:] if len(whole) > 16 else self.last
        self.last = cbc(self.mac2, start, whole[-16:])
        return self.last[:4]

    def seal(self, data: bytes) -> bytes:
        return cbc(self.enc, inverse(self.last), padded(data))

    def open(self, data: bytes) -> bytes:
        return cbc(self.enc, inverse(self.last), data, undo=True).rstrip(b"\0")[:-1]


@dataclass
class Packet:
    address: int
    sequence: int
    code: int
    data: bytes = b""
    block: bytes = b""
    """Security block: type and data, without its length."""


def build(packet: Packet, keys: Keys | None = None, *, reply: bool) -> bytes:
    """With `keys`, sealed: SCS_15 to 18."""
    block, data = packet.block, packet.data
    if keys is not None:
        block = bytes([(0x15 if not data else 0x17) + reply])
        data = keys.seal(data) if data else b""
    body = (bytes([len(block) + 1]) + block if block else b"") + bytes([packet.code]) + data
    size = 5 + len(body) + (4 if keys else 0) + 2
    control = packet.sequence | 4 | (8 if block else 0)
    head = bytes([0x53, packet.address | (0x80 if reply else 0)]) + size.to_bytes(2, "little") + bytes([control])
    message = head + body
    message += keys.mac(message) if keys else b""
    return message + crc(message)


def parse(raw: bytes, keys: Keys | None = None) -> Packet:
    """Raises ValueError: the CRC or the MAC is wrong."""
    if crc(raw[:-2]) != raw[-2:]:
        raise ValueError("crc")
    at, block = 5, b""
    if raw[4] & 8:
        block = raw[6 : 5 + raw[5]]
        at += raw[5]
    sealed = bool(block) and 0x15 <= block[0] <= 0x18
    end = len(raw) - 2 - (4 if sealed else 0)
    data = raw[at + 1 : end]
    if sealed:
        if keys is None:
            raise ValueError("sealed before there is a session")
        plain = keys.open(data) if block[0] >= 0x17 and data else data
        if keys.mac(raw[:end]) != raw[end:-2]:
            raise ValueError("mac")
        data = plain
    return Packet(raw[1] & 0x7F, raw[4] & 3, raw[at], data, block)


def read_packet(handle: int, seconds: float, kept: bytearray) -> bytes | None:
    """The next whole packet; None after `seconds`, or when the line is gone."""
    until = time.monotonic() + seconds
    while True:
        while kept and kept[0] != 0x53:
            del kept[0]
        if len(kept) >= 4 and len(kept) >= (size := int.from_bytes(kept[2:4], "little")) >= 7:
            raw = bytes(kept[:size])
            del kept[:size]
            return raw
        left = until - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            return None
        try:
            kept += os.read(handle, 4096)
        except OSError:
            return None


@dataclass
class Peripheral(threading.Thread):
    """A reader. `tamper` may change each answer on its way out; `deaf` lets it answer nothing."""

    handle: int
    key: bytes
    address: int = 0
    secure: bool = True
    default: bool = False
    """It owns to the default key instead of its own."""
    tamper: Callable[[bytes], bytes] = bytes
    deaf: bool = False
    waiting: list[tuple[int, bytes]] = field(default_factory=list)
    """Answers to polls to come: code and data."""
    heard: list[int] = field(default_factory=list)
    in_session: bool = False

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._keys: Keys | None = None
        self._ending = False
        self._last: tuple[int, bytes] | None = None
        self._theirs = self._ours = b""

    def __hash__(self) -> int:
        return id(self)

    def card(self, bits: int, data: bytes) -> None:
        self.waiting.append((RAW, bytes([0, 1]) + bits.to_bytes(2, "little") + data))

    def type(self, keys: bytes) -> None:
        self.waiting.append((KEYPAD, bytes([0, len(keys)]) + keys))

    def close(self) -> None:
        self._ending = True
        self.join(2)

    def run(self) -> None:
        kept = bytearray()
        while not self._ending:
            raw = read_packet(self.handle, 0.1, kept)
            if raw is None or raw[1] & 0x80 or raw[1] & 0x7F not in (self.address, 0x7F):
                continue
            if (answer := self._answered(raw)) and not self.deaf:
                os.write(self.handle, self.tamper(answer))

    def _answered(self, raw: bytes) -> bytes:
        sequence = raw[4] & 3
        if self._last and sequence and self._last[0] == sequence:
            return self._last[1]  # asked again: the same answer, or the chain of MACs breaks
        if sequence == 0:
            self._keys, self.in_session = None, False
        try:
            asked = parse(raw, self._keys)
        except ValueError:
            return b""
        answer = self._packet(asked)
        self._last = sequence, answer
        return answer

    def _packet(self, asked: Packet) -> bytes:
        self.heard.append(asked.code)
        sealed = bool(asked.block) and asked.block[0] >= 0x15
        code, data, block = self._reply(asked)
        packet = Packet(self.address, asked.sequence, code, data, block)
        return build(packet, self._keys if sealed else None, reply=True)

    def _reply(self, asked: Packet) -> tuple[int, bytes, bytes]:
        match asked.code:
            case 0x76 if self.secure:
                self._theirs, self._ours = asked.data, os.urandom(8)
                self._keys = Keys(DEFAULT_KEY if self.default else self.key, self._theirs)
                proof = ecb(self._keys.enc, self._theirs + self._ours)
                return CCRYPT, bytes(8) + self._ours + proof, bytes([0x12, 0 if self.default else 1])
            case 0x77 if self.secure and self._keys:
                good = asked.data == ecb(self._keys.enc, self._ours + self._theirs)
                self._keys.begin(asked.data)
                self.in_session = good
                return RMAC_I, self._keys.last, bytes([0x14, 1 if good else 0xFF])
            case 0x76 | 0x77:
                return NAK, b"\x05", b""
            case 0x61:
                return PDID, bytes([2, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0]), b""
            case 0x62:
                return PDCAP, bytes([3, 1, 1, 4, 1, 1, 8, 1, 0, 9, int(self.secure), 0]), b""
            case 0x60 if self.waiting and (self.in_session or not self.secure):
                return *self.waiting.pop(0), b""
        return ACK, b"", b""


class Panel:
    """A control panel that asks one question at a time."""

    def __init__(self, handle: int, key: bytes, address: int = 0) -> None:
        self.handle, self.key, self.address = handle, key, address
        self.keys: Keys | None = None
        self.cuid = b""
        self._sequence, self._kept = 0, bytearray()

    def ask(self, code: int, data: bytes = b"", block: bytes = b"", seconds: float = 0.5) -> Packet | None:
        """The answer, or None if there was none. Raises ValueError: it is not genuine."""
        sent = Packet(self.address, self._sequence, code, data, block)
        os.write(self.handle, b"\xff" + build(sent, None if block else self.keys, reply=False))
        raw = read_packet(self.handle, seconds, self._kept)
        if raw is None:
            return None
        answer = parse(raw, self.keys)
        self._sequence = self._sequence % 3 + 1
        return answer

    def begin(self, *, default: bool = False) -> bool:
        """The handshake. False: the reader refuses, or does not know the key."""
        self.keys, self._sequence = None, 0
        if self.ask(POLL) is None:
            return False
        ours, choice = os.urandom(8), 0 if default else 1
        answer = self.ask(CHLNG, ours, bytes([0x11, choice]))
        if answer is None or answer.code != CCRYPT or answer.block != bytes([0x12, choice]):
            return False
        self.cuid, theirs, proof = answer.data[:8], answer.data[8:16], answer.data[16:]
        keys = Keys(DEFAULT_KEY if default else self.key, ours)
        if proof != ecb(keys.enc, ours + theirs):
            return False
        server = ecb(keys.enc, theirs + ours)
        answer = self.ask(SCRYPT, server, bytes([0x13, choice]))
        if answer is None or answer.code != RMAC_I or answer.block != b"\x14\x01":
            return False
        keys.begin(server)
        if keys.last != answer.data:
            return False
        self.keys = keys
        return True

    def events(self, seconds: float) -> list[Packet]:
        """Whatever polls bring that is no mere ACK."""
        until, found = time.monotonic() + seconds, []
        while time.monotonic() < until:
            if (answer := self.ask(POLL)) is not None and answer.code != ACK:
                found.append(answer)
            time.sleep(0.03)
        return found
