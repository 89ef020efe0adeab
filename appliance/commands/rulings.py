"""`lintel doctor` on who is let in: rules, lockdown, readers, another panel, signed commands."""

import os
from collections.abc import Iterator
from pathlib import Path

from appliance.commands.asking import ask
from appliance.commands.checks import AS_ROOT, closed, seen
from appliance.commands.finding import Finding, broken, fail, ok, warn
from appliance.commands.lockdown import ordered
from appliance.commands.records import Records, local, open_records
from appliance.commands.rulecheck import Look, faults, unreadable
from appliance.commands.rules.book import book_of
from appliance.config import Config
from appliance.daemons.orders import public_key
from appliance.door.osdpline import library as osdp_library
from appliance.door.osdpline import read_key
from appliance.errors import ConfigError, KeyFileError, LintelError, ReaderError
from appliance.settings import MqttConfig, OsdpConfig, OsdpOutConfig, PinsConfig, WiegandConfig
from appliance.store import database as store
from appliance.store.bookreading import in_lockdown
from appliance.system.keys import CREDENTIAL, FILE

CHECK = "lintel rules check"


def rules(config: Config) -> Iterator[Finding]:
    """The rules can be understood and are likely meant so, and no lockdown holds."""
    state = Path(config.paths.state)
    path = state / store.FILE
    if closed(state):
        yield fail("rules", "only root and the services may read them", AS_ROOT)
        return
    if not seen(path) or not path.stat().st_size:
        yield ok("rules", "none yet")
        return
    if not _keyed(state):
        yield warn("rules", "not looked at: the device key is not here", AS_ROOT)
        return
    try:
        with open_records(config) as records:
            yield from _lockdown(config, records)
            yield _rules(config, records)
    except LintelError as error:
        yield broken("rules", error)


def _keyed(state: Path) -> bool:
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    return seen(state / FILE) or bool(given and seen(Path(given, CREDENTIAL)))


def _lockdown(config: Config, records: Records) -> Iterator[Finding]:
    if in_lockdown(records.db):
        order = ordered(records)
        at = order.get("at")
        since = local(float(at), config.site.timezone) if isinstance(at, int | float) else "an unknown time"
        told = f"on since {since}, by {order.get('by', 'nobody knows whom')}: nobody comes in"
        yield warn("lockdown", told, "lintel lockdown off --reason TEXT")


def _rules(config: Config, records: Records) -> Finding:
    look = Look(ask(config, records), book_of(records), records.people.list(), config.site.timezone)
    if damaged := list(unreadable(look)):
        more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        return fail("rules", damaged[0].what + more, damaged[0].remedy)
    if found := faults(look):
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return warn("rules", found[0].what + more, CHECK)
    book = look.asking.book
    return ok("rules", f"{len(book.hours)} groups with hours, {len(book.plan.turns)} modes by the hour, none doubtful")


def readers(wiegand: WiegandConfig, osdp: OsdpConfig, pins: PinsConfig) -> Iterator[Finding]:
    """Cards are read from where the settings say."""
    if wiegand.d0 >= 0 and pins.driver == "mock":
        yield warn("reader", "Wiegand lines are set, but the pins are simulated", 'set pins.driver = "gpiozero"')
    elif wiegand.d0 >= 0:
        yield ok(
            "reader", f"Wiegand on lines {wiegand.d0} and {wiegand.d1}; anybody at the cable can read and send cards"
        )
    if osdp.device:
        yield _line("reader", osdp)


def panel(wiegand: WiegandConfig, out: OsdpOutConfig, pins: PinsConfig) -> Iterator[Finding]:
    """The other panel is reached by what the settings say."""
    if wiegand.out_d0 >= 0 and pins.driver == "mock":
        yield warn("panel", "Wiegand lines are set, but the pins are simulated", 'set pins.driver = "gpiozero"')
    elif wiegand.out_d0 >= 0:
        yield ok("panel", f"Wiegand on lines {wiegand.out_d0} and {wiegand.out_d1}")
    if out.device:
        yield _line("panel", out)


def _line(name: str, line: OsdpConfig | OsdpOutConfig) -> Finding:
    """One OSDP line. Its key is looked at; nothing is sent."""
    if not seen(Path(line.device)):
        return fail(name, f"{line.device} is not there", "plug it in; ls /dev/serial/by-id/ tells the names")
    if not os.access(line.device, os.R_OK | os.W_OK):
        return fail(name, f"{line.device} may not be used", AS_ROOT)
    try:
        osdp_library()
        read_key(Path(line.key_file))
    except (ReaderError, KeyFileError) as error:
        return broken(name, error)
    told = f"OSDP on {line.device}, {line.baud} baud, address {line.address}, key in place"
    if line.device.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        return warn(
            name, f"{told}; the device's name may change at the next start", "use its name in /dev/serial/by-id/"
        )
    return ok(name, told)


def commands(config: MqttConfig) -> Iterator[Finding]:
    """Whose signed commands are obeyed."""
    if not config.commands_key:
        return
    try:
        public_key(config.commands_key)
    except ConfigError as error:
        yield broken("commands", error)
        return
    if config.host:
        yield ok("commands", f"obeyed if signed by the key of {config.commands_key}")
    else:
        yield warn("commands", "a key is set, but there is no broker to hear them from", "set mqtt.host, or remove it")
