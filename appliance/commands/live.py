"""The live view of `lintel run`: the same words as the page, in a terminal.

On a terminal it fills the screen and is redrawn in place; elsewhere (a pipe, a journal) each event
and each change of state is one line.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live

from appliance.commands import panels
from appliance.commands.panels import Picture
from appliance.commands.snapshot import Process, Setting, Snapshot
from appliance.web.rows import clock_words, rows
from appliance.web.view import START_SECONDS, Now, now

__all__ = ["LiveView", "Process", "Setting", "Snapshot", "render"]


def render(
    snapshot: Snapshot, setting: Setting | None = None, before: Picture | None = None, starting: bool = False
) -> Picture:
    """Word a snapshot; Rich draws what it returns. `before` is the picture shown until now."""
    setting = setting or Setting()
    listed = rows(snapshot.events, setting.zone)
    view = now(
        snapshot.status,
        listed,
        snapshot.mono,
        passive_threshold=setting.passive_threshold,
        before=before.now if before else None,
        starting=starting,
    )
    return Picture(snapshot, setting, view, listed)


class LiveView:
    """Shows snapshots until it is closed. A context manager; `update` is called a few times a second."""

    def __init__(
        self,
        console: Console,
        simulated: Sequence[str] = (),
        url: str | None = None,
        *,
        place: str = "",
        timezone: str = "UTC",
        passive_threshold: float | None = None,
    ) -> None:
        self._console = console
        self._setting = Setting(place, tuple(simulated), url, ZoneInfo(timezone), passive_threshold)
        self._live = Live(console=console, screen=True, auto_refresh=False) if console.is_terminal else None
        self._lines = PlainLines()
        self._picture: Picture | None = None
        self._began: float | None = None

    def __enter__(self) -> Self:
        """Take the screen, or say on one line what runs."""
        if self._live:
            self._live.start()
        else:
            self._print(panels.opening(self._setting))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the screen back."""
        self.close()

    def close(self) -> None:
        """Give the screen back. May be called twice."""
        if self._live:
            self._live.stop()

    def update(self, snapshot: Snapshot) -> None:
        """Show this snapshot."""
        self._began = snapshot.mono if self._began is None else self._began
        starting = snapshot.mono - self._began < START_SECONDS
        picture = self._picture = render(snapshot, self._setting, self._picture, starting)
        if self._live:
            self._live.update(picture, refresh=True)
        else:
            for line in self._lines.fresh(picture):
                self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class PlainLines:
    """One line for each new event and each change, for where there is no screen."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seq = -1
        self._states: dict[str, str] = {}

    def fresh(self, picture: Picture) -> list[str]:
        """Lines for what this picture shows and the ones before did not; events of earlier runs are left out."""
        self._since = picture.snapshot.utc - 5 if self._since is None else self._since
        new = [row for row in reversed(picture.listed) if row.seq > self._seq]
        self._seq = max((row.seq for row in new), default=self._seq)
        clock, _ = clock_words(picture.snapshot.utc, picture.setting.zone)
        told = [panels.event_line(row) for row in new if row.at is None or row.at >= self._since]
        return told + [f"{clock}  {words}" for words in self._changes(picture.now)]

    def _changes(self, view: Now) -> list[str]:
        states = {
            "door": f"door: {view.door.state.title}",
            "visitor": f"visitor: {view.visitor.stage.title}",
            "alarms": "alarms: " + (", ".join(alarm.title for alarm in view.alarms) or "none"),
        }
        first = not self._states
        changed = [words for key, words in states.items() if self._states.get(key) != words]
        self._states = states
        return [words for words in changed if not (first and words == "alarms: none")]
