"""The door process: who is wired to whom. It starts with a broken store, key or keypad: the way out needs none."""

import logging
from pathlib import Path

from appliance.config import Config
from appliance.daemons import doorparts as parts
from appliance.door.feedback import Feedback
from appliance.door.inbox import Inbox
from appliance.door.journal import Journal
from appliance.door.lock import Lock
from appliance.door.loop import Loop
from appliance.door.machine import Door
from appliance.door.pinhash import PinHash
from appliance.door.pins import open_lines
from appliance.door.report import Report
from appliance.door.simulator import Hand
from appliance.system import clock, notify
from appliance.system.parent import end_with_supervisor
from appliance.system.priority import run_first
from appliance.system.status import StatusFile

log = logging.getLogger(__name__)


def main(config: Config) -> int:
    """Hold the door until SIGTERM. Returns 1 if something broke. Raises LockError: there are no lines to hold."""
    end_with_supervisor()
    run_first()
    run = Path(config.paths.run, "door")
    lines = open_lines(config.pins, config.wiegand)
    lock, inbox, pins = Lock(lines.relay, config.door.lock), Inbox(), PinHash()
    hand = Hand(lines.bench) if lines.bench else None
    status, lamps = StatusFile(run / "status.json"), Feedback(lines.lamps)
    tell = parts.both(status.publish, lamps.told) if lines.lamps else status.publish
    journal = Journal(parts.store_opener(config, pins), inbox, clock.now)
    desk = parts.pass_desk(config, inbox)
    granted, panel = parts.other_panel(config, lines, inbox, lamps)
    report = Report(tell, lines.bench, keypad=config.keypad.source)
    loop = Loop(
        door=Door(config.door.unlock_seconds, config.door.held_seconds, config.door.relock_on_close),
        lock=lock,
        switches=lines.switches,
        inbox=inbox,
        record=journal,
        asks=parts.asks(config, journal, report, desk),
        report=report,
        now=clock.now,
        moved=hand.lock_moved if hand else None,
        granted=granted,
    )
    parts.on_stop(loop.stop)
    parts.watch(lines.switches.values(), inbox)
    threads: list[parts.Part] = [journal]
    threads += ([desk] if desk is not None else []) + panel
    threads.append(parts.listener(config, run, pins, inbox, desk))
    threads += [lamps] if lines.lamps else []
    threads += parts.inputs(config, lines, pins, inbox, hand.key if hand else None)
    try:
        for thread in threads:
            parts.keep(thread).start()
        loop.run()
        return 0
    except Exception:
        log.exception("the door broke: its lock goes to rest, and it starts anew")
        return 1
    finally:
        lock.close()
        notify.stopping()
        for part in threads[::-1]:
            part.close()
        status.close()


def rest(config: Config) -> int:
    """Return the relay to rest after a kill (ExecStopPost=). Raises LockError."""
    open_lines(config.pins)
    return 0
