"""`lintel people`: who may open the door."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from appliance.commands import credentials
from appliance.commands.actions import WHO, Action, UsageError
from appliance.commands.actions import action as new_action
from appliance.commands.peopletold import change, enrolment_fields, means, rule_fields, tell, told_enrolment
from appliance.commands.records import (
    BY,
    Records,
    Templates,
    day_end,
    day_start,
    iso,
    local,
    open_records,
    person_fields,
    store,
)
from appliance.commands.renewal import current_model, renewals
from appliance.config import Config
from appliance.errors import EnrolmentError
from appliance.store import bookreading
from appliance.store.consent import NOTICE, NOTICE_VERSION, Consent, given
from appliance.store.database import transaction
from appliance.store.passes import Passbook
from appliance.store.person import Person
from appliance.system.clock import now


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sub-commands of `lintel people`."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = _action(actions, "add", _add, "enrol a new person", who=False)
    add.add_argument("name", metavar="NAME")
    add.add_argument("photos", metavar="PHOTO", nargs="*", type=Path, help="pictures of their face; all of one person")
    _consent_option(add)
    add.add_argument("--pin", action="store_true", help="issue a PIN and print it, this once")
    add.add_argument("--group", action="append", default=[], metavar="G", help="may be repeated")
    add.add_argument("--extended", action="store_true", help="the door stays open longer for them")
    _validity_options(add)
    listing = _action(actions, "list", _list, "show everybody", who=False)
    listing.add_argument("--quiet", action="store_true", help="ids only")
    _action(actions, "show", _show, "show all that is kept about a person")
    enrol = _action(actions, "enrol", _enrol, "add photos of a person")
    enrol.add_argument("photos", metavar="PHOTO", nargs="+", type=Path)
    _consent_option(enrol)
    enrol.add_argument("--replace", action="store_true", help="instead of the templates they have")
    remove = _action(actions, "remove", _remove, "erase a person for good")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    credentials.add_arguments(actions)
    _action(actions, "suspend", _suspend, "nothing opens the door for them until resume")
    _action(actions, "resume", _resume, "undo suspend")
    extended = _action(actions, "extended", _extended, "whether the door stays open longer for them")
    extended.add_argument("state", choices=("on", "off"))
    rename = _action(actions, "rename", _rename, "correct a name")
    rename.add_argument("name", metavar="NAME")
    groups = _action(actions, "groups", _groups, "put a person in exactly these groups")
    groups.add_argument("group", metavar="G", nargs="*")
    _validity_options(_action(actions, "valid", _valid, "set from and until when they may enter; neither: always"))
    _action(actions, "withdraw", _withdraw, "end a person's consent and delete their templates; a PIN stays")
    _action(actions, "notice", _notice, "print the privacy notice", who=False)


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0. Raises LintelError: nobody of that name, no consent, bad photos, weak PIN, store."""
    action: Action = args.action
    with open_records(config) as records:
        return action(args, config, records)


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Action,
    about: str,
    *,
    who: bool = True,
) -> argparse.ArgumentParser:
    parser = new_action(actions, name, action, about)
    if who:
        parser.add_argument("who", metavar="WHO", help=WHO)
    return parser


def _consent_option(parser: argparse.ArgumentParser) -> None:
    about = "they have read the privacy notice and agreed; without this you are asked"
    parser.add_argument("--consent", action="store_true", help=about)


def _validity_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="valid_from", metavar="DAY", help="first day, as 2027-01-31")
    parser.add_argument("--until", dest="valid_until", metavar="DAY", help="last day")


def _add(args: argparse.Namespace, config: Config, records: Records) -> int:
    if not (args.photos or args.pin):
        raise UsageError(f"nothing would open the door for {args.name}: give photos, or --pin, or both")
    zone = config.site.timezone
    valid_from, valid_until = day_start(args.valid_from, zone), day_end(args.valid_until, zone)
    consent = _consent(args, args.name) if args.photos else None
    taken = _shots(args, config, records, None)
    with transaction(records.db):
        person = records.people.add(
            args.name,
            by=BY,
            consent=consent,
            groups=args.group,
            extended=args.extended,
            valid_from=valid_from,
            valid_until=valid_until,
        )
        if taken:
            store(records, person.pid, taken)
    digits = records.people.set_pin(person.pid, by=BY) if args.pin else None
    _warn_alike(records, taken)
    done = f"added {person.name} ({person.pid})" + told_enrolment(taken)
    return tell(args, records.people.get(person.pid), done, digits, more=enrolment_fields(taken))


def _enrol(args: argparse.Namespace, config: Config, records: Records) -> int:
    person = records.people.find(args.who)
    consent = None
    if person.consent is None or person.consent.expires_at <= now().utc or args.consent:
        consent = _consent(args, person.name)
    taken = _shots(args, config, records, person.pid, replace=args.replace)
    with transaction(records.db):
        if consent:
            records.people.give_consent(person.pid, consent, BY)
        if taken:
            store(records, person.pid, taken)
    _warn_alike(records, taken)
    done = f"{person.name} has {len(args.photos)} {'new' if args.replace else 'more'} templates" + told_enrolment(taken)
    return tell(args, records.people.get(person.pid), done, more=enrolment_fields(taken))


def _warn_alike(records: Records, taken: Templates | None) -> None:
    """Say who now needs a second factor beside the face."""
    if taken and taken.alike:
        names = ", ".join(sorted(records.people.get(pid).name for pid in taken.alike))
        print(
            f"looks like {names}: for them all a face alone opens no more; give each a PIN or a card", file=sys.stderr
        )


def _shots(
    args: argparse.Namespace, config: Config, records: Records, own: str | None, *, replace: bool = False
) -> Templates | None:
    """Templates of all photos. Raises EnrolmentError: nothing may be stored."""
    if not args.photos:
        return None
    # Imported here, so that people can be managed where no model runtime works.
    from appliance.commands.enrolment import read  # noqa: PLC0415

    return read(config, records, args.photos, own, replace=replace)


def _consent(args: argparse.Namespace, name: str) -> Consent:
    """The recorded consent. Raises EnrolmentError without one."""
    if not args.consent and sys.stdin.isatty():
        print(NOTICE, file=sys.stderr)
        print(f"Has {name} read this and agreed? Type yes: ", end="", file=sys.stderr, flush=True)
        args.consent = sys.stdin.readline().strip().lower() == "yes"
    if not args.consent:
        raise EnrolmentError(
            f"nothing was stored: a face may be enrolled only with consent. Show {name} the privacy notice "
            "(`lintel people notice`) and, once they agree, add --consent. A PIN needs none: use --pin without photos"
        )
    return given(now().utc, BY)


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    people = records.people.list()
    if args.json:
        print(json.dumps({"people": [person_fields(person) for person in people]}, ensure_ascii=False))
    elif args.quiet:
        print("".join(f"{person.pid}\n" for person in people), end="")
    else:
        _table(people, config, records)
    return 0


def _table(people: list[Person], config: Config, records: Records) -> None:
    zone, renewal = config.site.timezone, renewals(records.db, current_model(config), now().utc)
    table = Table("Name", "Id", "Opens by", "Groups", "Valid until", "Remarks", box=None, header_style="bold")
    cards = set(records.people.roster().cards.values())
    passes = Counter(one.pid for one in Passbook(records.db).list() if one.opens(now().utc))
    for person in people:
        opens_by = means(person, card=person.pid in cards, passes=passes[person.pid])
        remarks = ["suspended"] * person.suspended + ["extended"] * person.extended
        if person.consent is not None and person.consent.expires_at <= now().utc:
            remarks.append("consent expired")
        remarks += renewal.get(person.pid, ())
        groups, until = ", ".join(sorted(person.groups)), local(person.valid_until, zone)
        table.add_row(person.name, person.pid, ", ".join(opens_by) or "nothing", groups, until, ", ".join(remarks))
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    if people:
        console.print(table)
    else:
        console.print("nobody yet; `lintel people add NAME PHOTO…` enrols somebody")


def _show(args: argparse.Namespace, config: Config, records: Records) -> int:
    person = records.people.find(args.who)
    passes = [one for one in Passbook(records.db).list() if one.pid == person.pid]
    fields = person_fields(person) | {
        "card": records.people.card_of(person.pid),
        "renewal": list(renewals(records.db, current_model(config), now().utc).get(person.pid, ())),
        "passes": [f"{one.id} until {iso(one.end)}" + " (revoked)" * one.revoked for one in passes],
        **rule_fields(bookreading.read(records.db, now().utc, door=config.site.door), person.pid),
    }
    if args.json:
        print(json.dumps(fields, ensure_ascii=False))
        return 0
    for key, value in fields.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{key:<12} {', '.join(value) if isinstance(value, list) else text}")
    return 0


def _remove(args: argparse.Namespace, config: Config, records: Records) -> int:
    person = records.people.find(args.who)
    if not args.yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{person.name} ({person.pid}) would be erased for good: add --yes")
        print(f"Erase {person.name} ({person.pid}) for good? Type yes: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() != "yes":
            raise UsageError("nobody was erased")
    complete = records.people.remove(person.pid, BY)
    done = "erased" if complete else "erased; a busy reader keeps old pages in the log until the next checkpoint"
    if args.json:
        print(json.dumps({"pid": person.pid, "removed": True, "complete": complete}))
    else:
        print(f"{person.name} ({person.pid}) {done}")
    return 0


def _suspend(args: argparse.Namespace, config: Config, records: Records) -> int:
    return change(args, records, lambda pid: records.people.suspend(pid, BY), "is suspended")


def _resume(args: argparse.Namespace, config: Config, records: Records) -> int:
    return change(args, records, lambda pid: records.people.resume(pid, BY), "may enter again")


def _extended(args: argparse.Namespace, config: Config, records: Records) -> int:
    on = args.state == "on"
    done = "gets more time at the door" if on else "gets the usual time at the door"
    return change(args, records, lambda pid: records.people.set_extended(pid, on, BY), done)


def _rename(args: argparse.Namespace, config: Config, records: Records) -> int:
    return change(args, records, lambda pid: records.people.rename(pid, args.name, BY), f"is now {args.name}")


def _groups(args: argparse.Namespace, config: Config, records: Records) -> int:
    done = f"is in: {', '.join(args.group) or 'no group'}"
    return change(args, records, lambda pid: records.people.set_groups(pid, args.group, BY), done)


def _valid(args: argparse.Namespace, config: Config, records: Records) -> int:
    zone = config.site.timezone
    start, end = day_start(args.valid_from, zone), day_end(args.valid_until, zone)
    if start is not None and end is not None and end <= start:
        raise UsageError("--until lies before --from; exchange them")
    done = f"may enter from {local(start, zone, 'now')} until {local(end, zone, 'further notice')}"
    return change(args, records, lambda pid: records.people.set_validity(pid, start, end, BY), done)


def _withdraw(args: argparse.Namespace, config: Config, records: Records) -> int:
    done = "withdrew their consent; their templates are deleted"
    return change(args, records, lambda pid: records.people.withdraw_consent(pid, BY), done)


def _notice(args: argparse.Namespace, config: Config, records: Records) -> int:
    print(json.dumps({"version": NOTICE_VERSION, "text": NOTICE}) if args.json else NOTICE, end="")
    return 0
