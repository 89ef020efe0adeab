"""What commands with several actions share: how an action is declared, and how its answer is told."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from appliance.commands.records import Records
from appliance.config import Config
from appliance.errors import LintelError

if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]

Action = Callable[[argparse.Namespace, Config, Records], int]
WHO = "a name, an id, or the beginning of an id"


class UsageError(LintelError, ValueError):
    """The command line asks for something that cannot be done."""


def action(actions: "Actions", name: str, does: Action, about: str) -> argparse.ArgumentParser:
    """One action, with `--json`."""
    parser = actions.add_parser(name, help=about, description=about)
    parser.set_defaults(action=does)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def noun(nouns: "Actions", name: str, about: str) -> "Actions":
    """A thing with actions of its own."""
    parser = nouns.add_parser(name, help=about, description=about)
    return parser.add_subparsers(metavar="ACTION", required=True)


def tell(args: argparse.Namespace, fields: Mapping[str, Any], text: str) -> int:
    """The answer: one JSON object for a program, or a line for a person. Returns 0."""
    print(json.dumps(fields, ensure_ascii=False) if args.json else text)
    return 0


def tell_table(
    args: argparse.Namespace, fields: Mapping[str, Any], titles: Sequence[str], rows: Iterable[Sequence[str]], none: str
) -> int:
    """The same of several things; `none` teaches the next step where there are none."""
    table = Table(*titles, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    if args.json:
        print(json.dumps(fields, ensure_ascii=False))
    else:
        Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(
            table if table.row_count else none
        )
    return 0
