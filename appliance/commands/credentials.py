"""`lintel people set-pin` and such: PINs and cards of one person."""

import argparse
import getpass
import sys
from typing import TYPE_CHECKING

from appliance.commands.actions import WHO, Action, UsageError, action
from appliance.commands.peopletold import change, tell
from appliance.commands.records import BY, Records
from appliance.config import Config
from appliance.door.wiegand import card_of

if TYPE_CHECKING:
    from appliance.commands.actions import Actions


def add_arguments(actions: "Actions") -> None:
    """Sub-commands of `lintel people` about PINs and cards."""
    pin = _action(actions, "set-pin", _set_pin, "issue a new PIN and print it, this once")
    pin.add_argument("--choose", action="store_true", help="ask for the digits instead (or read a line of input)")
    _action(actions, "remove-pin", _remove_pin, "take a person's PIN away, and the one for duress with it")
    about = "issue a second PIN for being forced: it opens as the other does, and raises a silent alarm"
    _action(actions, "set-duress-pin", _set_duress_pin, about)
    _action(actions, "remove-duress-pin", _remove_duress_pin, "take the PIN for being forced away")
    card = _action(actions, "set-card", _set_card, "give a person a card")
    card.add_argument("card", metavar="CARD", help="FACILITY:NUMBER as printed on it, or BITS:FACILITY:NUMBER")
    _action(actions, "remove-card", _remove_card, "take a person's card away")


def _action(actions: "Actions", name: str, does: Action, about: str) -> argparse.ArgumentParser:
    parser = action(actions, name, does, about)
    parser.add_argument("who", metavar="WHO", help=WHO)
    return parser


def _set_pin(args: argparse.Namespace, config: Config, records: Records) -> int:
    person = records.people.find(args.who)
    chosen = None
    if args.choose:
        prompt = f"New PIN for {person.name}: "
        chosen = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().strip()
    digits = records.people.set_pin(person.pid, chosen, by=BY)
    told = records.people.get(person.pid)
    return tell(args, told, f"{person.name} has a new PIN", None if args.choose else digits)


def _remove_pin(args: argparse.Namespace, config: Config, records: Records) -> int:
    return change(args, records, lambda pid: records.people.remove_pin(pid, BY), "has no PIN any more")


def _set_duress_pin(args: argparse.Namespace, config: Config, records: Records) -> int:
    person = records.people.find(args.who)
    if not person.has_pin:
        raise UsageError(
            f"{person.name} has no PIN, so a PIN for duress would be no secret: "
            f"give them one first (lintel people set-pin {person.pid[:8]})"
        )
    digits = records.people.set_duress_pin(person.pid, BY)
    done = f"{person.name} has a PIN for being forced: it opens as the other does, and raises a silent alarm"
    return tell(args, records.people.get(person.pid), done, digits)


def _remove_duress_pin(args: argparse.Namespace, config: Config, records: Records) -> int:
    done = "has no PIN for being forced any more"
    return change(args, records, lambda pid: records.people.remove_duress_pin(pid, BY), done)


def _set_card(args: argparse.Namespace, config: Config, records: Records) -> int:
    text = card_of(args.card).text
    return change(args, records, lambda pid: records.people.set_card(pid, text, BY), "has that card now, and no other")


def _remove_card(args: argparse.Namespace, config: Config, records: Records) -> int:
    return change(args, records, lambda pid: records.people.remove_card(pid, BY), "has no card any more")
