"""What this door asks: what operators set (`Book`), under this site's settings."""

from appliance.access.book import Book
from appliance.access.passback import Kind, Passback
from appliance.access.verdict import ClockPolicy, DoorRules
from appliance.settings import AccessConfig

HOUR = 3600.0


def door_rules(book: Book, settings: AccessConfig) -> DoorRules:
    """The rules in force from now on. Raises ScheduleError: settings out of bounds, which config.py refuses before."""
    return DoorRules(
        hours=book.hours,
        plan=book.plan,
        visits=book.visits,
        bans=book.bans,
        alike=book.alike,
        passback=Passback(
            Kind(settings.passback),
            hard=settings.passback_hard,
            seconds=settings.passback_seconds,
            forget_seconds=settings.passback_forget_hours * HOUR,
        ),
        clock_unknown=ClockPolicy(settings.clock_unknown),
        factor_seconds=settings.factor_seconds,
    )
