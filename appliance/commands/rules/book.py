"""The store's rulebook as the commands ask it."""

from collections.abc import Iterable

from appliance.commands.records import Records
from appliance.store.hours import StoredCalendar
from appliance.store.rulebook import Rulebook
from appliance.system.clock import now


def book_of(records: Records) -> Rulebook:
    """The rules in the open store."""
    return Rulebook(records.db, log=records.log, now=now)


def calendars_by_name(book: Rulebook) -> dict[str, StoredCalendar]:
    """All of them."""
    return {stored.name: stored for stored in book.calendars()}


def use_of(book: Rulebook, schedule: str) -> list[str]:
    """What uses a schedule."""
    users = [f"group {group}" for group, names in book.group_hours().items() if schedule in names]
    return users + [f"mode {line.mode}" for line in book.modes() if line.schedule == schedule]


def known(names: Iterable[str]) -> str:
    """The end of an error about a name that is not there."""
    listed = sorted(set(names))
    return f"known are {', '.join(listed)}" if listed else "there is none yet"
