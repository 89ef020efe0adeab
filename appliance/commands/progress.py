"""How far a long measurement is: a bar where somebody looks at a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10
FEWEST = 200
"""Steps from one line to the next, at least."""


@contextmanager
def shown(what: str) -> Iterator[Callable[[int, int], None]]:
    """Call it with how many are done, and of how many. Only stderr is written to: results go to stdout."""
    if not sys.stderr.isatty():
        yield _line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _line(done: int, total: int) -> None:
    if done == total or done % max(FEWEST, total // LINES) == 0:
        print(f"{done} of {total}", file=sys.stderr, flush=True)
