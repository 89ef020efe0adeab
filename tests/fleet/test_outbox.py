"""The outbox as a pure thing: whatever the broker does, each event goes out until it is settled, within the window."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.fleet.outbox import (
    LONGEST_WAIT_SECONDS,
    PAGE,
    PATIENCE_SECONDS,
    PROVEN_SECONDS,
    REFUSED_SECONDS,
    SHORTEST_WAIT_SECONDS,
    Ask,
    Backoff,
    Outbox,
)

FAST = 1e9


@dataclass
class Log:
    """The events table as the outbox needs it."""

    head: int = 0
    rows: dict[int, str] = field(default_factory=dict)

    def append(self, topic: str = "access") -> int:
        self.head += 1
        self.rows[self.head] = topic
        return self.head

    def unsettled(self, ask: Ask) -> list[tuple[int, str]]:
        return [(seq, self.rows[seq]) for seq in sorted(self.rows) if seq > ask.after][: ask.limit]

    def settle(self, outbox: Outbox) -> None:
        done = outbox.done
        for seq in done:
            self.rows.pop(seq)
        outbox.settled(done)


def pump(outbox: Outbox, log: Log, now: float) -> list[int]:
    sent = []
    for wanted in (outbox.ask_live, lambda: outbox.ask_backlog(now)):
        ask = wanted()
        if ask.room:
            assert 0 < ask.room <= ask.limit <= max(PAGE, outbox.window)
            sent += outbox.take(ask, log.unsettled(ask), now)
    return sent


def online(log: Log, window: int = 200, rate: float = FAST) -> Outbox:
    outbox = Outbox(rate=rate)
    outbox.rewind(log.head, window, 0.0)
    return outbox


def drain(outbox: Outbox, log: Log, now: float, refuse: frozenset[str] = frozenset(), turns: int = 2000) -> list[int]:
    """A broker that answers at once. Returns what was accepted, in order."""
    accepted = []
    for _ in range(turns):
        now += 0.1
        for seq in pump(outbox, log, now):
            if log.rows[seq] in refuse:
                outbox.refused(seq, now)
            else:
                outbox.accepted(seq, now)
                accepted.append(seq)
        log.settle(outbox)
        if not log.rows:
            break
    return accepted


def test_live_events_go_before_the_backlog() -> None:
    log = Log()
    for _ in range(1000):
        log.append()
    outbox = online(log)
    backlog = pump(outbox, log, 1.0)
    assert backlog == list(range(1, 151)), "a quarter of the window stays free for live events"
    live = [log.append() for _ in range(5)]
    assert pump(outbox, log, 1.1) == live


def test_backlog_is_throttled_and_live_is_not() -> None:
    log = Log()
    for _ in range(5000):
        log.append()
    outbox = online(log, rate=500)
    sent = 0
    for turn in range(50):  # 5 s
        for seq in pump(outbox, log, turn / 10):
            outbox.accepted(seq, turn / 10)
            sent += 1
        log.settle(outbox)
    assert 2000 <= sent <= 2550
    live = [log.append() for _ in range(180)]
    assert pump(outbox, log, 5.0)[:180] == live


def test_a_small_receive_maximum_is_respected() -> None:
    log = Log()
    for _ in range(100):
        log.append()
    outbox = online(log, window=20)
    assert len(pump(outbox, log, 1.0)) == 15
    for _ in range(30):
        log.append()
    pump(outbox, log, 1.1)
    assert outbox.in_flight == 20


def test_refused_topic_does_not_block_others_and_comes_back() -> None:
    log = Log()
    for n in range(2000):
        log.append("access" if n % 2 else "door")
    outbox = online(log)
    accepted = drain(outbox, log, 0.0, frozenset({"access"}), turns=100)
    assert len(accepted) == 1000
    assert set(log.rows.values()) == {"access"}
    live = log.append("door")
    assert drain(outbox, log, 10.0, frozenset({"access"}), turns=1) == [live]
    drain(outbox, log, 1000.0)
    assert not log.rows, "once allowed, everything arrives"


def test_while_a_topic_is_refused_one_row_probes_it() -> None:
    log = Log()
    for _ in range(500):
        log.append()
    outbox = online(log)
    for seq in pump(outbox, log, 0.0):
        assert outbox.refused(seq, 0.0) == REFUSED_SECONDS
    tries = [t / 10 for t in range(1200) for seq in pump(outbox, log, t / 10) if outbox.refused(seq, t / 10) >= 0]
    assert 3 <= len(tries) <= 8
    assert tries[0] >= REFUSED_SECONDS


def test_one_poisonous_row_holds_nothing_up() -> None:
    log = Log()
    rows = [log.append() for _ in range(1000)]
    outbox = online(log)
    refusals = 0
    for turn in range(600):
        now = turn / 10
        for seq in pump(outbox, log, now):
            if seq == rows[3]:
                outbox.refused(seq, now)
                refusals += 1
            else:
                outbox.accepted(seq, now)
        log.settle(outbox)
    assert list(log.rows) == [rows[3]]
    assert refusals <= 8


def test_a_broker_that_hangs_up_instead_of_refusing() -> None:
    """Neither the first nor the many are blamed; one row alone is, and its topic rests."""
    log = Log()
    for n in range(300):
        log.append("access" if n % 2 == 0 else "door")
    outbox, now, connections = Outbox(rate=FAST), 0.0, 0
    while "door" in log.rows.values():
        connections += 1
        assert connections <= 6
        now += 5
        outbox.rewind(log.head, 200, now)
        for _ in range(100):
            now += 0.05
            sent = pump(outbox, log, now)
            if any(log.rows[seq] == "access" for seq in sent):
                outbox.lost(0.1, now)
                break
            for seq in sent:
                outbox.accepted(seq, now)
            log.settle(outbox)
    assert list(log.rows.values()) == ["access"] * 150, "nothing of the refused topic was given up"
    assert not outbox.cautious


def test_a_connection_that_lived_blames_nobody() -> None:
    log = Log()
    log.append()
    outbox = online(log)
    for now in (20.0, 40.0, 60.0):
        pump(outbox, log, now)
        assert outbox.lost(PROVEN_SECONDS, now) == []
        outbox.rewind(log.head, 200, now)
    assert not outbox.cautious


def test_stall() -> None:
    log = Log()
    log.append()
    outbox = online(log)
    assert not outbox.stalled(1e6), "nothing in flight"
    pump(outbox, log, 100.0)
    assert not outbox.stalled(101.9)
    assert outbox.stalled(100 + PATIENCE_SECONDS)
    outbox.rewind(log.head, 200, 103.0)
    [seq] = pump(outbox, log, 103.0)
    assert not outbox.stalled(106.9), "a slow link gets twice the time"
    outbox.accepted(seq, 106.9)
    log.settle(outbox)
    log.append()
    pump(outbox, log, 200.0)
    assert not outbox.stalled(203.9)
    assert outbox.stalled(204.0)


def test_host_acknowledgement_counts_for_what_is_in_flight_only() -> None:
    log = Log()
    for _ in range(300):
        log.append()
    outbox = online(log)
    sent = pump(outbox, log, 1.0)
    outbox.host_has(10**12, 1.1)
    assert outbox.done == sent
    assert len(drain(outbox, log, 2.0)) == 300 - len(sent)


@given(st.lists(st.floats(0, 1000), max_size=40), st.lists(st.floats(0, 0.999), min_size=40, max_size=40))
def test_backoff_is_bounded_and_grows(lived: list[float], draws: list[float]) -> None:
    backoff = Backoff(iter(draws).__next__)
    bound = 2 * SHORTEST_WAIT_SECONDS
    for seconds in lived:
        if seconds >= PROVEN_SECONDS:
            bound = 2 * SHORTEST_WAIT_SECONDS
        assert SHORTEST_WAIT_SECONDS <= backoff.after(seconds) < bound
        bound = min(LONGEST_WAIT_SECONDS, 2 * bound)


class AnyBroker(RuleBasedStateMachine):
    """Rows come in, acknowledgements, refusals and losses in any order; then a broker that works gets every row."""

    TOPICS = ("access", "door", "sys")

    @initialize(window=st.integers(1, 30), rate=st.sampled_from([20.0, FAST]))
    def begin(self, window: int, rate: float) -> None:
        self.window = window
        self.log = Log()
        self.outbox = Outbox(rate=rate)
        self.now = 100.0
        self.answered: set[int] = set()
        self.flying: list[int] = []
        self.reconnect()

    def reconnect(self) -> None:
        self.flying = []
        self.outbox.rewind(self.log.head, self.window, self.now)

    def publish(self) -> None:
        sent = pump(self.outbox, self.log, self.now)
        assert not set(sent) & set(self.flying), "sent twice in one connection without an answer"
        assert not set(sent) & self.answered, "sent again after it was taken"
        self.flying += sent

    @rule(count=st.integers(1, 40), topic=st.sampled_from(TOPICS))
    def append(self, count: int, topic: str) -> None:
        for _ in range(count):
            self.log.append(topic)

    @rule(seconds=st.floats(0, 20))
    def turn(self, seconds: float) -> None:
        self.now += seconds
        self.publish()

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), refuse=st.booleans())
    def answer(self, data: st.DataObject, refuse: bool) -> None:
        seq = data.draw(st.sampled_from(self.flying))
        self.flying.remove(seq)
        if refuse:
            self.outbox.refused(seq, self.now)
        else:
            self.outbox.accepted(seq, self.now)
            self.answered.add(seq)

    @rule()
    def settle(self) -> None:
        assert set(self.outbox.done) <= self.answered
        self.log.settle(self.outbox)

    @rule(stale=st.integers(1, 200))
    def late_answer(self, stale: int) -> None:
        """An answer to something that is not in flight, as after a rewind: means nothing."""
        if stale not in self.flying:
            self.outbox.accepted(stale, self.now)
            self.outbox.refused(stale, self.now)

    @rule(lived=st.floats(0, 20))
    def lose(self, lived: float) -> None:
        self.log.settle(self.outbox)
        assert set(self.outbox.lost(lived, self.now)) <= set(self.flying)
        self.reconnect()

    @invariant()
    def within_the_window(self) -> None:
        if hasattr(self, "outbox"):
            assert self.outbox.in_flight == len(self.flying) <= self.window

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        for _ in range(4000):
            self.now += 0.5
            for seq in list(self.flying):
                self.answered.add(seq)
                self.outbox.accepted(seq, self.now)
            self.flying = []
            self.log.settle(self.outbox)
            if not self.log.rows:
                return
            self.publish()
        raise AssertionError(f"{len(self.log.rows)} rows never went out")


AnyBroker.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyBroker = AnyBroker.TestCase
