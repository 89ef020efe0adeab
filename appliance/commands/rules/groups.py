"""`lintel rules group`: when the people of a group may enter."""

import argparse
from typing import TYPE_CHECKING, Any

from appliance.commands.actions import UsageError, action, noun, tell, tell_table
from appliance.commands.records import BY, Records
from appliance.commands.rules.book import book_of, known
from appliance.config import Config
from appliance.store.person import Person, clean_name

if TYPE_CHECKING:
    from appliance.commands.actions import Actions


def add_arguments(nouns: "Actions") -> None:
    """Sub-commands of `lintel rules group`."""
    actions = noun(nouns, "group", "when the people of a group may enter; a group without hours: always")
    put = action(actions, "set", _set, "let a group enter while one of these schedules is on, and at no other time")
    put.add_argument("group", metavar="GROUP", help="as in `lintel people groups WHO GROUP`")
    put.add_argument("schedules", metavar="SCHEDULE", nargs="+")
    put.add_argument("--new", action="store_true", help="even if nobody is in that group yet")
    action(actions, "list", _list, "show all groups and their hours")
    show = action(actions, "show", _show, "show one group: its hours and who is in it")
    remove = action(actions, "remove", _remove, "take a group's hours away: its people enter at any time")
    for one in (show, remove):
        one.add_argument("group", metavar="GROUP")


def _set(args: argparse.Namespace, config: Config, records: Records) -> int:
    book, group = book_of(records), clean_name(args.group)
    people = _members(records, group)
    if not people and not args.new:
        raise UsageError(
            f"nobody is in a group {group!r}; {known(_groups(records))}. Put somebody in it first "
            "(lintel people groups), or add --new"
        )
    book.set_group_hours(group, args.schedules, BY, new=args.new)
    names = book.group_hours()[group]
    mixed = sorted({other for person in people for other in person.groups} & set(book.group_hours()) - {group})
    also = f"; some of them are also in {', '.join(mixed)}, whose hours count as well" if mixed else ""
    return tell(args, _fields(group, names, people), f"{group}: {', '.join(names)} ({_count(people)}){also}")


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    hours = book_of(records).group_hours()
    everybody = records.people.list()
    by_group = {
        group: [person for person in everybody if group in person.groups] for group in {*hours, *_groups(records)}
    }
    rows = [
        (group, ", ".join(hours.get(group, ())) or "always", _count(people))
        for group, people in sorted(by_group.items())
    ]
    told = {"groups": [_fields(group, hours.get(group, ()), by_group[group]) for group in sorted(by_group)]}
    none = "no groups yet; `lintel people groups WHO GROUP` puts somebody in one"
    return tell_table(args, told, ("Group", "Schedules", "People"), rows, none)


def _show(args: argparse.Namespace, config: Config, records: Records) -> int:
    group, hours = clean_name(args.group), book_of(records).group_hours()
    people = _members(records, group)
    if group not in hours and not people:
        raise UsageError(f"there is no group {group!r}; {known([*hours, *_groups(records)])}")
    names = hours.get(group, ())
    text = [f"{'hours':<12} {', '.join(names) or 'always'}"]
    text += [f"{'people':<12} {', '.join(person.name for person in people) or 'nobody'}"]
    return tell(args, _fields(group, names, people), "\n".join(text))


def _remove(args: argparse.Namespace, config: Config, records: Records) -> int:
    book, group = book_of(records), clean_name(args.group)
    if group not in book.group_hours():
        raise UsageError(f"group {group!r} has no hours; {known(book.group_hours())}")
    book.set_group_hours(group, [], BY)
    people = _members(records, group)
    return tell(args, _fields(group, (), people), f"{group}: always, unless another group of theirs has hours")


def _members(records: Records, group: str) -> list[Person]:
    return [person for person in records.people.list() if group in person.groups]


def _groups(records: Records) -> list[str]:
    return [group for person in records.people.list() for group in person.groups]


def _count(people: list[Person]) -> str:
    return {0: "nobody", 1: "1 person"}.get(len(people), f"{len(people)} people")


def _fields(group: str, names: tuple[str, ...], people: list[Person]) -> dict[str, Any]:
    return {"group": group, "schedules": list(names), "people": [person.pid for person in people]}
