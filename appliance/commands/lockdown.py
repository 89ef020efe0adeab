"""`lintel lockdown`: shut the door to everybody outside, or lift that. The way out stays free."""

import argparse
from collections.abc import Mapping
from typing import Any

from appliance.commands.actions import action, tell
from appliance.commands.doorward import Doorward, doorward, wait_for
from appliance.commands.records import BY, Records, iso, local, open_records
from appliance.commands.rules.book import book_of
from appliance.config import Config
from appliance.store.lockdown import Order, Side, standing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sub-commands of `lintel lockdown`."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    on = action(actions, "on", _on, "nobody comes in until it is lifted; the way out stays free")
    off = action(actions, "off", _off, "lift this door's own; the site's is lifted by the site alone")
    for one in (on, off):
        one.add_argument("--reason", required=True, metavar="TEXT", help="for the record, which goes to the broker too")
    action(actions, "status", _status, "whether there is one, and whether the door has taken it")


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0; 1 if the door has not taken it, or stays shut for the site.

    Raises LintelError: no reason that can be recorded, store.
    """
    with open_records(config) as records:
        does: Any = args.action
        return int(does(args, config, records))


def _on(args: argparse.Namespace, config: Config, records: Records) -> int:
    return _set(args, config, records, on=True)


def _off(args: argparse.Namespace, config: Config, records: Records) -> int:
    return _set(args, config, records, on=False)


def _set(args: argparse.Namespace, config: Config, records: Records, *, on: bool) -> int:
    changed = book_of(records).set_lockdown(on, BY, args.reason)
    orders, door = standing(records.db), doorward(config)
    shuts = bool(orders)
    taken = bool(wait_for(lambda: _taken(door, on=shuts)))
    running = door.status is not None
    already = "" if changed else " already"
    told = {"lockdown": shuts, "changed": changed, "door": _word(taken=taken, running=running)} | _sides(orders)
    text = f"lockdown is{already} {'on' if on else 'off'}"
    if not on and shuts:
        text = f"this door's own {text}, BUT THE SITE'S STILL STANDS: only the site's mode lifts it"
    tell(args, told, f"{text}; {_said(on=shuts, taken=taken, running=running)}")
    return 0 if taken and on == shuts else 1


def _status(args: argparse.Namespace, config: Config, records: Records) -> int:
    orders, status = standing(records.db), doorward(config).status
    on = bool(orders)
    taken = status is not None and shut(status) is on
    first = next(iter(orders.values()), Order())
    told = {"lockdown": on, "by": first.by, "reason": first.why, "since": iso(first.at)} | _sides(orders)
    told |= {"door": _word(taken=taken, running=status is not None)}
    text = f"lockdown is {'on' if on else 'off'}"
    for side, order in orders.items():
        since = local(order.at, config.site.timezone, "an unknown time")
        whose = "this door" if side == "local" else "the whole site"
        text += f", of {whose} since {since}, by {order.by or 'nobody knows whom'}: {order.why or '-'}"
    tell(args, told, f"{text}; {_said(on=on, taken=taken, running=status is not None)}")
    return 0 if taken else 1


def _sides(orders: Mapping[Side, Order]) -> dict[str, Any]:
    return {"local": "local" in orders, "site": "site" in orders}


def ordered(records: Records) -> dict[str, Any]:
    """Who ordered the first that stands, why and when; empty if that cannot be read any more."""
    order = next(iter(standing(records.db).values()), Order())
    return {name: value for name in ("by", "why", "at") if (value := getattr(order, name)) is not None}


def _taken(door: Doorward, *, on: bool) -> bool | None:
    """None: not yet. False: there is no door to wait for."""
    status = door.status
    return False if status is None else True if shut(status) is on else None


def shut(status: Mapping[str, Any]) -> bool:
    """Whether the door says that it is in lockdown."""
    return bool(status.get("lockdown", status.get("state") == "LOCKDOWN"))


def _word(*, taken: bool, running: bool) -> str:
    return "taken" if taken else "waiting" if running else "away"


def _said(*, on: bool, taken: bool, running: bool) -> str:
    if taken:
        return "the door has taken it" if on else "the door lets people in as usual"
    if running:
        return "THE DOOR HAS NOT TAKEN IT: look at lintel doctor, and journalctl -u lintel-door"
    return "the door does not run: it takes it when it starts"
