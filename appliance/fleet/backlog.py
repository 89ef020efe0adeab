"""Reading ahead in the events that wait."""

from appliance.fleet.outbox import PAGE, Ask
from appliance.store.chain import StoredEvent
from appliance.store.events import EventLog


class Backlog:
    """Keeps a page of rows, so that sending one more row at each acknowledgement costs no query."""

    def __init__(self) -> None:
        self._rows: list[StoredEvent] = []
        self._after = -1
        self._full = False

    def read(self, ask: Ask, record: EventLog) -> list[StoredEvent]:
        """The first `limit` unsettled rows after `ask.after`. What was read ahead counts until asked to go back."""
        ahead = [row for row in self._rows if row.seq > ask.after]
        if ask.after < self._after or (self._full and len(ahead) < ask.limit) or not ahead:
            ahead = record.unsettled(max(PAGE, ask.limit), after=ask.after)
            self._full = len(ahead) >= PAGE
        self._rows, self._after = ahead, ask.after
        return ahead[: ask.limit]
