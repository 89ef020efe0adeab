"""Which events to publish next. The `events` table is the outbox; this only remembers what is under way.

Pure: it knows no clock, broker or database. The caller asks (`ask_live`, `ask_backlog`), reads
those rows, and hands them to `take`, which says which to publish now. Then it reports what the
broker said. Every row is offered again until it was settled, so a consumer may see one twice
(with the same id) and never misses one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WINDOW = 200
"""Rows in flight at most (RabbitMQ and EMQX slow a client down beyond a few hundred)."""
LIVE_SHARE = 0.25
"""Part of the window that the backlog leaves to live events."""
PAGE = 200
"""Rows read at a time while some stand aside: the next that may go can be far behind them."""
BACKLOG_RATE = 500.0
"""Backlog rows a second at most: fifty doors that come back together must not drown a broker."""
PATIENCE_SECONDS = 2.0
LONGEST_PATIENCE_SECONDS = 64.0
REFUSED_SECONDS = 5.0
"""First pause of a topic that the broker refuses; a refused row rests twice as long, so that another probes."""
LONGEST_REFUSED_SECONDS = 60.0
SHORTEST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
PROVEN_SECONDS = 10.0
"""A connection that lived this long is a good one: the next loss starts the back-off anew."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Rows wanted: the first `limit` unsettled ones after `after`. Nothing if `room` is 0."""

    live: bool
    room: int
    """How many may be published now."""
    limit: int
    after: int
    upto: float
    """Rows beyond this one are not meant."""


@dataclass(slots=True)
class _Refusal:
    """The broker refuses a topic: one row probes it from time to time, the others stand aside."""

    until: float
    seconds: float = REFUSED_SECONDS
    probing: bool = False


@dataclass(frozen=True, slots=True)
class _Rest:
    """One row was refused. Should its topic be fine (a row too large, say), it alone waits."""

    topic: str
    until: float
    seconds: float


class Outbox:
    """The window over one connection after the other. Times are monotonic seconds."""

    def __init__(self, window: int = WINDOW, rate: float = BACKLOG_RATE) -> None:
        self.window = window
        self._rate = rate
        self._tokens = 0.0
        self._tokens_at = -math.inf
        self._live = 0  # live rows come after this one
        self._border = 0  # the backlog ends with this one
        self._backlog = 0  # and has been read up to here
        self._flying: dict[int, str] = {}
        self._done: set[int] = set()
        self._refused: dict[str, _Refusal] = {}
        self._resting: dict[int, _Rest] = {}
        self._parked = math.inf  # lowest row that stood aside
        self._recall_at = -math.inf
        self._hung_up = 0  # connections in a row that died young with rows in flight
        self._progress_at = 0.0
        self._patience = PATIENCE_SECONDS

    @property
    def in_flight(self) -> int:
        """Rows published and not answered yet."""
        return len(self._flying)

    @property
    def done(self) -> list[int]:
        """Rows the broker took, to be settled in the store; then `settled` lets go of them."""
        return sorted(self._done)

    def topic(self, seq: int) -> str:
        """Topic of a row in flight; empty if it is not."""
        return self._flying.get(seq, "")

    @property
    def cautious(self) -> bool:
        """The broker keeps hanging up: rows go one by one, until one is taken, to find what it does not like."""
        return self._hung_up >= 2

    def lost(self, lived_seconds: float, now: float) -> list[int]:
        """The connection broke. Some brokers hang up instead of refusing: returns the rows that get the blame.

        Those are the ones that probed a refused topic, and one that was in flight alone in cautious times.
        """
        young = lived_seconds < PROVEN_SECONDS and bool(self._flying)
        probing = {topic for topic, refusal in self._refused.items() if refusal.probing}
        blamed = [seq for seq, topic in self._flying.items() if topic in probing]
        if young and self.cautious and len(self._flying) == 1:
            blamed = list(self._flying)
        self._hung_up = self._hung_up + 1 if young else 0
        for seq in blamed:
            self.refused(seq, now)
        return blamed

    def rewind(self, head: int, window: int, now: float) -> None:
        """A new connection: everything unsettled is to be published again; what comes after `head` is live."""
        self.window = 1 if self.cautious else window
        self._flying.clear()
        self._live = self._border = head
        self._backlog = 0
        self._parked = math.inf
        self._progress_at = now
        for refusal in self._refused.values():
            refusal.probing = False

    def ask_live(self) -> Ask:
        """Rows younger than the connection: they go first and may fill the window."""
        return self._ask(True, self.window - len(self._flying), self._live, math.inf)

    def ask_backlog(self, now: float) -> Ask:
        """Older rows, throttled, and never in the slots kept for live ones."""
        self._unpark(now)
        if self._backlog >= self._border:
            return self._ask(False, 0, self._backlog, self._border)
        slots = max(1, int(self.window * (1 - LIVE_SHARE)))
        burst = max(1.0, self._rate / 10)
        self._tokens = min(burst, self._tokens + (now - self._tokens_at) * self._rate)
        self._tokens_at = now
        return self._ask(False, min(slots - len(self._flying), int(self._tokens)), self._backlog, self._border)

    def take(self, ask: Ask, rows: Sequence[tuple[int, str]], now: float) -> list[int]:
        """Of the (seq, topic) read for `ask`, in order: the seqs to publish now."""
        chosen: list[int] = []
        reached = ask.after
        for seq, topic in rows:
            if len(chosen) == ask.room:
                break
            if seq > ask.upto:
                reached = self._border
                break
            reached = seq
            if self._admit(seq, topic, now):
                chosen.append(seq)
        else:
            if len(rows) < ask.limit and not ask.live:
                reached = self._border  # nothing older is left
        if ask.live:
            self._live = reached
        else:
            self._backlog = reached
            self._tokens -= len(chosen)
        return chosen

    def accepted(self, seq: int, now: float) -> None:
        """The broker took it."""
        topic = self._flying.pop(seq, None)
        if topic is None:
            return
        self._done.add(seq)
        self._resting.pop(seq, None)
        self._hung_up = 0
        self._progressed(now)
        if self._refused.pop(topic, None):
            self._recall()

    def refused(self, seq: int, now: float) -> float:
        """The broker will not have it. Returns in how many seconds one row of that topic is tried again."""
        topic = self._flying.pop(seq, None)
        if topic is None:
            return 0.0
        self._progressed(now)
        self._parked = min(self._parked, seq)
        before = self._resting.get(seq)
        rest = min(2 * LONGEST_REFUSED_SECONDS, 2 * before.seconds) if before else 2 * REFUSED_SECONDS
        self._resting[seq] = _Rest(topic, now + rest, rest)
        refusal = self._refused.get(topic)
        if refusal is None:
            refusal = self._refused[topic] = _Refusal(now + REFUSED_SECONDS)
        elif refusal.probing:
            refusal.seconds = min(LONGEST_REFUSED_SECONDS, refusal.seconds * 2)
            refusal.until, refusal.probing = now + refusal.seconds, False
        return refusal.until - now

    def host_has(self, seq: int, now: float) -> None:
        """The host's cumulative acknowledgement. It counts for rows in flight only: a wrong one loses nothing."""
        for flying in [s for s in self._flying if s <= seq]:
            self.accepted(flying, now)

    def settled(self, seqs: Sequence[int]) -> None:
        """The store has it down: these are never offered again."""
        self._done.difference_update(seqs)

    def stalled(self, now: float) -> bool:
        """Whether rows are in flight and none was answered for too long. The connection is then to be replaced.

        MQTT 5 resends on a new connection only (4.4). Patience doubles so that a slow link is not cut for ever.
        """
        if not self._flying or now - self._progress_at < self._patience:
            return False
        self._patience = min(LONGEST_PATIENCE_SECONDS, self._patience * 2)
        return True

    def _ask(self, live: bool, room: int, after: int, upto: float) -> Ask:
        room = max(0, room)
        return Ask(live, room, max(room, PAGE) if self._refused or self._resting else room, after, upto)

    def _admit(self, seq: int, topic: str, now: float) -> bool:
        if seq in self._flying or seq in self._done:
            return False
        refusal = self._refused.get(topic)
        rest = self._resting.get(seq)
        if (refusal and (refusal.probing or now < refusal.until)) or (rest and now < rest.until):
            self._parked = min(self._parked, seq)
            return False
        if refusal:
            refusal.probing = True
        if not self._flying:
            self._progress_at = now
        self._flying[seq] = topic
        return True

    def _progressed(self, now: float) -> None:
        if now - self._progress_at < PATIENCE_SECONDS:
            self._patience = PATIENCE_SECONDS
        self._progress_at = now

    def _unpark(self, now: float) -> None:
        if now < self._recall_at:
            return
        self._recall_at = now + 1.0  # reading the rows that stand aside costs a query
        topics = any(now >= refusal.until and not refusal.probing for refusal in self._refused.values())
        if topics or any(now >= rest.until and rest.topic not in self._refused for rest in self._resting.values()):
            self._recall()

    def _recall(self) -> None:
        """Read anew from the lowest row that stood aside; all that was live by now is backlog."""
        if self._parked < math.inf:
            self._backlog = min(self._backlog, int(self._parked) - 1)
            self._border = self._live
            self._parked = math.inf


class Backoff:
    """Full jitter: a uniform draw between 1 s and a bound that doubles to 300 s.

    Doors that lost one broker together come back spread out (AWS Architecture Blog, "Exponential Backoff And
    Jitter", 2015).
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        """`draw` gives a number from 0 up to 1."""
        self._draw = draw
        self._bound = 2 * SHORTEST_WAIT_SECONDS

    def after(self, lived_seconds: float) -> float:
        """Seconds to wait after a connection that lived so long (0: it never came about)."""
        if lived_seconds >= PROVEN_SECONDS:
            self._bound = 2 * SHORTEST_WAIT_SECONDS
        wait = SHORTEST_WAIT_SECONDS + self._draw() * (self._bound - SHORTEST_WAIT_SECONDS)
        self._bound = min(LONGEST_WAIT_SECONDS, self._bound * 2)
        return wait
