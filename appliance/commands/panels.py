"""How the live view's picture is laid out and drawn. Pure: everything comes in, Rich renderables come out."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from appliance.commands.snapshot import Setting, Snapshot
from appliance.web import plain
from appliance.web.rows import Row, clock_words, merged
from appliance.web.view import Now
from appliance.web.words import Tone

TALL = 32
"""Lines from which there is room for the log."""
STYLE: dict[Tone, str] = {
    "good": "bold green",
    "act": "bold cyan",
    "needs": "bold yellow",
    "alarm": "bold red",
    "quiet": "bold",
}
_MARK: dict[Tone, str] = {"good": "✓", "act": "›", "needs": "!", "alarm": "▲", "quiet": "·"}
_LEAF = {
    "shut": ("╭─────╮", "│    {}│", "│     │", "┴─────┴"),
    "ajar": ("╭─────╮", "│╲    │", "│ │{}  │", "┴ ╵   ┴"),
}
_BOLT = {"LOCKED": "■", "UNLOCKED": "□", "LOCKDOWN": "▣", "FORCED": "▲", "HELD": "!", "RELEASED": "»"}
_TO_ASCII = str.maketrans("█░┃✓›▲·•…■□▣»╭╮╰╯─│┴╲╵", "#-|+>X.*.#o%>++++-|+\\'")
"""For terminals that cannot show the rest; one character for one, so that nothing moves."""
_KEYS = (("0-9 #", "type a PIN"), ("r", "way out"), ("q", "quit"))
_BY_HAND = (("o", "move the door"),)
"""Only a simulated door is moved by a key."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the view; fits itself to the space it is given, from 60 columns and 20 lines."""

    snapshot: Snapshot
    setting: Setting
    now: Now
    listed: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw."""
        height = options.height or console.height
        drawn = screen(self, options.max_width, height)
        if not options.ascii_only:
            yield drawn
            return
        for segment in console.render(drawn, options):
            plainly = segment.text.translate(_TO_ASCII).encode("ascii", "replace").decode()
            yield Segment(plainly, segment.style, segment.control)


def screen(picture: Picture, width: int, height: int) -> Layout:
    """The whole picture in the space there is."""
    alarms = picture.now.alarms
    tall = height >= TALL
    layout = Layout()
    parts = [
        Layout(_title(picture), size=1),
        *([Layout(_simulated(picture.setting.simulated), size=1)] if picture.setting.simulated else []),
        Layout(name="top", size=8),
        Layout(_answer(picture), size=4),
        Layout(_events(merged(picture.listed)), ratio=1, minimum_size=4),
    ]
    if tall:
        parts.append(Layout(_log(picture.snapshot.log), ratio=1, minimum_size=4))
    parts += [
        Layout(_alarms(picture.now), size=max(1, min(len(alarms), 3 if tall else 1))),
        Layout(_processes(picture), size=1),
        Layout(_keys(picture), size=1),
    ]
    layout.split_column(*parts)
    layout["top"].split_row(
        Layout(_door(picture), size=max(30, width * 2 // 5)),
        Layout(_visitor(picture, max(30, width - width * 2 // 5))),
    )
    return layout


def _title(picture: Picture) -> RenderableType:
    clock, _ = clock_words(picture.snapshot.utc, picture.setting.zone)
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    line.add_column(justify="right", no_wrap=True)
    right = Text.assemble((picture.setting.url or "", "underline"), "  ", clock)
    line.add_row(Text.assemble(" ", ("Lintel", "bold"), ("  " + picture.setting.place, "dim")), right)
    return line


def _simulated(simulated: Sequence[str]) -> RenderableType:
    words = Text(f" Simulated: {'; '.join(simulated)}", no_wrap=True, overflow="ellipsis")
    return Padding(words, style="black on yellow")


def _door(picture: Picture) -> RenderableType:
    door = picture.now.door
    bolt = _BOLT.get(door.state.key, "?" if door.state.key == "unknown" else " ")
    art = Text("\n".join(_LEAF["ajar" if door.ajar else "shut"]).format(bolt), STYLE[door.state.tone])
    words = Text.assemble(
        (door.state.title, STYLE[door.state.tone]),
        f"\nLock: {door.lock.title.lower()}\nContact: {door.contact.title.lower()}\n",
        (_for(door.since, picture.snapshot.mono), "dim"),
    )
    body = Table.grid(padding=(0, 2))
    body.add_row(art, words)
    help_line = Text(door.state.help, "dim", overflow="ellipsis", no_wrap=False)
    return _panel("Door", Group(body, help_line), door.state.tone)


def _for(since: float | None, mono: float) -> str:
    return "" if since is None or since > mono + 1 else f"for {_span(mono - since)}"


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 90:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 5400 else f"{whole // 3600} h"


def _visitor(picture: Picture, width: int) -> RenderableType:
    view = picture.now
    evidence = view.evidence
    bar_width = max(8, width - 28)
    who = f"  {view.visitor.person}" if view.visitor.person else ""
    body = Table.grid(padding=(0, 1))
    body.add_row("Match", _bar(evidence.score, evidence.threshold, bar_width))
    body.add_row("Live", _bar(evidence.passive, evidence.passive_threshold, bar_width))
    lines = Group(
        Text.assemble((view.visitor.stage.title, STYLE[view.visitor.stage.tone]), (who, "dim")),
        Text(view.visitor.hint or view.visitor.stage.help, no_wrap=True, overflow="ellipsis"),
        body,
        Text(_votes(picture), "dim", no_wrap=True, overflow="ellipsis"),
        Text(_speed(picture, width - 4), "dim", no_wrap=True, overflow="ellipsis"),
    )
    fps = next((part.value for part in view.parts if part.key == "fps"), None)
    scene = f"simulated: {view.simulated.scene}" if view.simulated.scene else None
    return _panel(f"Visitor, {fps} fps" if fps else "Visitor", lines, view.visitor.stage.tone, scene)


def _bar(value: float | None, threshold: float | None, width: int) -> Text:
    """A bar from 0 to 1 with its threshold, and both as figures; a negative cosine is an empty bar."""
    cut = round(min(max(value or 0.0, 0.0), 1.0) * width)
    style = "dim" if value is None else "green" if value >= (threshold or 0.0) else "yellow"
    bar = Text("█" * cut, style) + Text("░" * (width - cut), "dim")
    if threshold is not None:
        at = min(width - 1, max(0, round(threshold * width)))
        bar = bar[:at] + Text("┃", "bold") + bar[at + 1 :]
    figure = " --  " if value is None else f"{value:5.2f}"
    return Text.assemble(bar, f" {figure}", (f" of {threshold:.2f}" if threshold is not None else "", "dim"))


def _votes(picture: Picture) -> str:
    evidence = picture.now.evidence
    said = [evidence.surround.title] if evidence.surround else []
    if evidence.votes:
        said.append(f"{evidence.votes} frame{'s' * (evidence.votes != 1)} agree{'s' * (evidence.votes == 1)}")
    return ", ".join(said)


def _speed(picture: Picture, width: int) -> str:
    """Milliseconds of each step; where there is no room, the quickest are left out first."""
    steps = list(picture.now.steps)
    while True:
        line = "ms: " + " ".join(f"{step.key.removesuffix('ness')} {step.ms:.0f}" for step in steps)
        if len(line) <= width or not steps:
            return line if steps else ""
        steps.remove(min(steps, key=lambda step: step.ms))


def _answer(picture: Picture) -> RenderableType:
    row = picture.now.decision
    if row is None:
        return _panel(
            "Last answer", Text("Nobody has asked yet. Stand before the camera, or type a PIN and #."), "quiet"
        )
    ago = f"{_span(picture.snapshot.utc - row.at)} ago" if row.at is not None else ""
    facts = [row.by, row.person or "", ago, _latency(picture)]
    first = Text.assemble(
        (f"{_MARK[row.tone]} {row.title}", STYLE[row.tone]),
        ("   " + "   ".join(fact for fact in facts if fact), ""),
        no_wrap=True,
        overflow="ellipsis",
    )
    second = row.help or _score(row)
    return _panel("Last answer", Group(first, Text(second, "dim", no_wrap=True, overflow="ellipsis")), row.tone)


def _latency(picture: Picture) -> str:
    unlock = picture.now.unlock
    return f"last unlock {unlock.latency_ms:.0f} ms" if unlock and unlock.latency_ms is not None else ""


def _score(row: Row) -> str:
    if row.score is None or row.threshold is None:
        return ""
    return f"Match {row.score:.2f}, needed {row.threshold:.2f}"


def _events(listed: Sequence[Row]) -> RenderableType:
    if not listed:
        return _panel(
            "What happened", Text("Nothing yet. Each answer and each movement of the door appears here."), "quiet"
        )
    body = Table.grid(padding=(0, 2), expand=True)
    body.add_column(no_wrap=True)
    body.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for _ in range(3):
        body.add_column(no_wrap=True)
    for row in listed[:60]:
        ms = f"{row.latency_ms:.0f} ms" if row.latency_ms is not None else _short_score(row)
        title = Text.assemble((f"{_MARK[row.tone]} ", STYLE[row.tone]), row.title)
        body.add_row(Text(row.clock, "dim"), title, row.by, Text(row.person or "", "dim"), ms)
    return _panel("What happened", body, "quiet")


def _short_score(row: Row) -> str:
    return "" if row.score is None else f"{row.score:.2f}"


def _log(lines: Sequence[str]) -> RenderableType:
    newest = [plain.text(line, 400) or "" for line in reversed(lines)][:40]
    body = Text("\n".join(newest) or "The daemons have logged nothing.", "dim", no_wrap=True, overflow="ellipsis")
    return _panel("Log, newest first", body, "quiet")


def _alarms(view: Now) -> RenderableType:
    if not view.alarms:
        told = {part.key: part.value for part in view.parts}
        waiting = f", {told['outbox']} events waiting" if told.get("outbox", "0") != "0" else ""
        return Text(f" No alarms   Broker: {told['mqtt'].lower()}{waiting}", "dim")
    lines = [
        Text.assemble((f" {_MARK[said.tone]} {said.title}. ", STYLE[said.tone]), said.help) for said in view.alarms
    ]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _processes(picture: Picture) -> RenderableType:
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    for process in picture.snapshot.processes:
        state = f"{process.pid} {process.rss_mb:.0f} MB" if process.pid else "down"
        again = f" restarted {process.restarts}x" if process.restarts else ""
        line.append(f"{process.name} ", "bold")
        line.append(f"{state}{again}   ", "" if process.pid and not process.restarts else "yellow")
    return line


def _keys(picture: Picture) -> RenderableType:
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    if picture.snapshot.typed:
        line.append("PIN " + "•" * min(picture.snapshot.typed, 12) + "   ", STYLE["act"])
    for key, what in (*_KEYS[:2], *(_BY_HAND if picture.now.simulated.door else ()), *_KEYS[2:]):
        line.append(key, "bold reverse")
        line.append(f" {what}   ")
    return line


def _panel(title: str, body: RenderableType, tone: Tone, below: str | None = None) -> Panel:
    border = "dim" if tone in ("quiet", "good") else STYLE[tone].removeprefix("bold ")
    return Panel(
        body,
        title=title,
        title_align="left",
        subtitle=below and Text(below),
        subtitle_align="right",
        border_style=border,
        padding=(0, 1),
    )


def opening(setting: Setting) -> str:
    """First line where there is no screen."""
    real = f"; simulated: {', '.join(setting.simulated)}" if setting.simulated else ""
    page = f"; page at {setting.url}" if setting.url else ""
    return f"lintel {setting.place} runs{real}{page}; Ctrl-C stops it".replace("  ", " ")


def event_line(row: Row) -> str:
    """One event on one line."""
    facts = [row.title, row.by, row.person or "", _score(row)]
    if row.latency_ms is not None:
        facts.append(f"{row.latency_ms:.0f} ms")
    return f"{row.clock}  " + ", ".join(fact for fact in facts if fact)
