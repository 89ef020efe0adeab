"""`lintel unlock`: open the door once, from here. The door decides; a lockdown holds."""

import argparse
import time
from unicodedata import category
from uuid import uuid4

from appliance.commands.actions import UsageError, tell
from appliance.commands.doorward import WAIT_SECONDS, Doorward, doorward, wait_for
from appliance.commands.records import BY, Records, open_records
from appliance.config import Config
from appliance.errors import DoorlineError
from appliance.facts import AdminUnlock, Event, EventType
from appliance.fleet.desk import became
from appliance.system.clock import now
from appliance.system.doorline import DoorlineSender
from appliance.web.words import REASON

REASON_LENGTH = 200
_SAID = {
    "done": "the door is unlocked",
    "away": "the door does not run, or does not listen; nothing was opened: look at lintel doctor",
    "no_answer": "the door did not answer; it may not believe this user: run it as root (sudo lintel unlock)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lintel unlock`."""
    parser.add_argument("--reason", required=True, metavar="TEXT", help="for the record, which goes to the broker too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0 if the door was unlocked, 1 if not. Raises LintelError: no reason that can be recorded, store."""
    reason = _reason(args.reason)
    with open_records(config) as records:
        outcome, why = ask(doorward(config), records, reason)
    said = _SAID["done"] if outcome == "done" else _SAID.get(why) or f"the door refused: {_word(why)}"
    tell(args, {"unlocked": outcome == "done", "why": why}, said)
    return 0 if outcome == "done" else 1


def ask(door: Doorward, records: Records, reason: str) -> tuple[str, str]:
    """Record who asks and why, ask, and wait for what is seen of it: `done` or `failed`, and why. Raises StoreError."""
    name = uuid4().hex
    told = Event(EventType.AUDIT, "unlock_ordered", now(), by=BY, detail={"id": name, "reason": reason})
    seq = records.log.append(told).seq
    if door.status is None or not _send(door, AdminUnlock(BY, name, time.monotonic())):
        return "failed", "away"
    fate = wait_for(lambda: became("unlock", name, records.log.after(seq), door.status), WAIT_SECONDS)
    return fate or ("failed", "no_answer")


def _send(door: Doorward, order: AdminUnlock) -> bool:
    sender = DoorlineSender(door.socket)
    try:
        return sender.send(order)
    except DoorlineError:
        return False
    finally:
        sender.close()


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not 1 <= len(reason) <= REASON_LENGTH or any(category(letter)[0] == "C" for letter in reason):
        raise UsageError(f"an unlock needs a reason of 1 to {REASON_LENGTH} printable characters")
    return reason


def _word(why: str) -> str:
    words = next((words for reason, words in REASON.items() if reason.value == why), None)
    return f"{words.title}. {words.help}" if words else why
