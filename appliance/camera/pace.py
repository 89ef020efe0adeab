"""A steady beat for sources that have none of their own."""

import itertools
import threading
import time
from collections.abc import Iterator


class Pace:
    """Counts frames at a rate; late frames are dropped in real time, as a camera drops them."""

    def __init__(self, rate: float, realtime: bool) -> None:
        self._rate = rate
        self.realtime = realtime
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """True once `stop` was called."""
        return self._stop.is_set()

    def ticks(self) -> Iterator[int]:
        """Numbers of frames that are due: every one, as fast as asked for; or, in real time, the latest."""
        if not self.realtime:
            yield from itertools.takewhile(lambda _: not self.stopped, itertools.count())
            return
        start = time.monotonic()
        seq = 0
        while not self._stop.wait(max(0.0, start + seq / self._rate - time.monotonic())):
            yield seq
            seq = max(seq + 1, int((time.monotonic() - start) * self._rate))

    def stop(self) -> None:
        """End the ticks, at once."""
        self._stop.set()
