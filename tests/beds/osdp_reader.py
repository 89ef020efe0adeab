"""A card reader on one end of a pty: libosdp as the peripheral, in a process of its own.

`python osdp_reader.py HANDLE KEY`: reads lines from standard input, `card BITS LENGTH_HEX` or
`keys TEXT`, and sends each as soon as the secure channel stands.
"""

import os
import select
import sys
import time

import osdp

SETTLED_SECONDS = 1.5


class Line:
    """The pty's other end."""

    id = 2

    def __init__(self, handle: int) -> None:
        self.handle = handle
        os.set_blocking(handle, False)

    def read(self, most: int) -> bytes:
        try:
            return os.read(self.handle, most)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self.handle, data)
        except (BlockingIOError, OSError):
            return 0

    def flush(self) -> None:
        pass


def event(line: str) -> dict:
    kind, *words = line.split()
    if kind == "card":
        return {
            "event": osdp.Event.CardRead,
            "reader_no": 0,
            "format": osdp.CardFormat.Wiegand,
            "length": int(words[0]),
            "direction": 0,
            "data": bytes.fromhex(words[1]),
        }
    return {"event": osdp.Event.KeyPress, "reader_no": 0, "data": words[0].encode().replace(b"#", b"\r")}


def main(handle: int, key: str) -> None:
    secure = key != "-"
    flags = [osdp.LibFlag.EnforceSecure] if secure else [osdp.LibFlag.InstallMode]
    info = osdp.PDInfo(
        0, Line(handle), scbk=bytes.fromhex(key) if secure else None, flags=flags, id=osdp.PdId(1, 2, 0xABCDEF, 3, 4)
    )
    can = osdp.PDCapabilities([(osdp.Capability.LEDControl, 1, 1), (osdp.Capability.CardDataFormat, 1, 1)])
    reader = osdp.PeripheralDevice(info, can, log_level=osdp.LogLevel.Critical)
    waiting, stands_since, last = [], None, time.monotonic()
    while True:
        reader.ctx.refresh()
        if select.select([0], [], [], 0.01)[0]:
            data = os.read(0, 4096).decode()  # no buffer of Python's: select knows nothing of it
            if not data:
                return
            waiting += data.splitlines()
        if not reader.ctx.is_sc_active():
            stands_since = None
        elif stands_since is None:
            stands_since = time.monotonic()
        if not waiting or time.monotonic() - last <= 0.3:
            continue
        # The panel takes what it hears at once for old: it may have been kept while nobody asked.
        if not secure or (stands_since is not None and time.monotonic() - stands_since > SETTLED_SECONDS):
            last = time.monotonic()
            reader.ctx.submit_event(event(waiting.pop(0)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
