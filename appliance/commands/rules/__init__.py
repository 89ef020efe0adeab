"""`lintel rules`: who may enter when, and what the door asks for."""

import argparse

from appliance.commands.actions import Action
from appliance.commands.records import open_records
from appliance.commands.rules import groups, holidays, modes, overview, people, schedules, visits
from appliance.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The things that `lintel rules` is about, each with its actions."""
    nouns = parser.add_subparsers(metavar="WHAT", required=True)
    for part in (overview, schedules, holidays, groups, modes, visits, people):
        part.add_arguments(nouns)


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0; 1 from `check` with something to mend. Raises LintelError: what cannot be meant, store, key."""
    action: Action = args.action
    with open_records(config) as records:
        return action(args, config, records)
