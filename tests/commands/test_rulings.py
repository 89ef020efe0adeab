"""`lintel doctor` on who is let in."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.commands import checks, rulings
from appliance.commands.finding import Finding, ok
from appliance.config import load
from appliance.facts import ClockQuality, Moment
from appliance.settings import MqttConfig, OsdpConfig, OsdpOutConfig, PinsConfig, WiegandConfig
from appliance.store.database import FILE, connect
from appliance.store.rulebook import Rulebook
from appliance.system import clock as clocks
from tests.commands.test_people import Shell, lintel

__all__ = ["lintel"]
REAL, MOCK = PinsConfig(), PinsConfig(driver="mock")
NO_WIEGAND = WiegandConfig()


def told(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.status.value) for finding in findings]


def one(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_new_machine_has_no_rules_and_the_look_makes_none(lintel: Shell) -> None:
    assert told(rulings.rules(load(lintel.config))) == [("rules", "ok")]
    assert not lintel.state.exists()


def test_doubtful_rules_and_a_lockdown_are_told(lintel: Shell) -> None:
    config = load(lintel.config)
    lintel("people", "add", "Ada", "--pin", "--group", "staff")
    assert one(rulings.rules(config)).status == "ok"
    lintel("rules", "schedule", "add", "office", "mon 08:00-09:00")
    finding = one(rulings.rules(config))
    assert (finding.status, finding.remedy) == ("warn", "lintel rules check")
    assert "'office' is used by nobody" in finding.detail
    lintel("lockdown", "on", "--reason", "drill", code=1)
    lockdown, _ = rulings.rules(config)
    assert (lockdown.name, lockdown.status) == ("lockdown", "warn")
    assert "by cli: nobody comes in" in lockdown.detail


def test_without_the_key_nothing_is_made(lintel: Shell) -> None:
    lintel("people", "add", "Ada", "--pin")
    (lintel.state / "device.key").unlink()
    assert told(rulings.rules(load(lintel.config))) == [("rules", "warn")]
    assert not (lintel.state / "device.key").exists()


def test_a_rule_that_cannot_be_understood_fails(lintel: Shell) -> None:
    lintel("rules", "schedule", "add", "office", "mon 08:00-09:00")
    db = connect(lintel.state / FILE)
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("UPDATE schedule_hours SET day = 9")
    db.conn.commit()
    finding = one(rulings.rules(load(lintel.config)))
    assert (finding.status, "cannot be understood" in finding.detail) == ("fail", True)
    assert "--replace" in finding.remedy
    assert "cannot be understood" in lintel("rules", "schedule", "list")
    assert "--replace" in lintel("rules", "schedule", "show", "office", code=2)


def test_wiegand_lines_on_simulated_pins_read_nothing() -> None:
    wired = WiegandConfig(d0=5, d1=6, out_d0=13, out_d1=19)
    assert told(rulings.readers(wired, OsdpConfig(), MOCK)) == [("reader", "warn")]
    assert told(rulings.readers(wired, OsdpConfig(), REAL)) == [("reader", "ok")]
    assert told(rulings.panel(wired, OsdpOutConfig(), MOCK)) == [("panel", "warn")]
    assert told(rulings.panel(wired, OsdpOutConfig(), REAL)) == [("panel", "ok")]
    assert not [*rulings.readers(NO_WIEGAND, OsdpConfig(), REAL), *rulings.panel(NO_WIEGAND, OsdpOutConfig(), REAL)]


@pytest.mark.parametrize("end", ["reader", "panel"])
def test_an_osdp_line_and_its_key(tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(device: str, key: Path) -> Finding:
        if end == "reader":
            return one(rulings.readers(NO_WIEGAND, OsdpConfig(device=device, key_file=str(key)), REAL))
        return one(rulings.panel(NO_WIEGAND, OsdpOutConfig(device=device, key_file=str(key)), REAL))

    key = tmp_path / "key"
    master, slave = os.openpty()
    device = os.ttyname(slave)
    assert look("/dev/serial/by-id/none", key).detail == "/dev/serial/by-id/none is not there"
    assert look(device, key).status == "fail"  # no key
    key.write_text("00" * 16)
    key.chmod(0o644)
    assert "chmod 0600" in look(device, key).remedy + look(device, key).detail
    key.chmod(0o600)
    assert look(device, key).status == "ok"
    monkeypatch.setitem(sys.modules, "osdp", None)
    assert (look(device, key).status, "deploy/install.sh" in look(device, key).remedy) == ("fail", True)
    os.close(master)
    os.close(slave)


def test_the_key_of_signed_commands(tmp_path: Path) -> None:
    assert not list(rulings.commands(MqttConfig()))
    file = tmp_path / "key.pem"
    assert one(rulings.commands(MqttConfig(commands_key=str(file)))).status == "fail"
    file.write_bytes(
        Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert one(rulings.commands(MqttConfig(commands_key=str(file)))).status == "warn"
    assert one(rulings.commands(MqttConfig(host="broker", commands_key=str(file)))) == ok(
        "commands", f"obeyed if signed by the key of {file}"
    )


def test_an_unset_clock_says_whom_it_keeps_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "now", lambda: Moment(1.0, 1.8e9, ClockQuality.UNKNOWN))
    assert "stay out" in one(checks.clock("deny")).detail
    assert "need two factors" in one(checks.clock("two_factor")).detail


def test_lifting_the_doors_own_lockdown_says_that_the_sites_stands(lintel: Shell) -> None:
    lintel("lockdown", "on", "--reason", "drill", code=1)
    db = connect(lintel.state / FILE)
    Rulebook(db, now=clocks.now).set_lockdown(True, "site:alice", "alarm", side="site")
    assert "of this door since" in (said := lintel("lockdown", "status", code=1, both=True))
    assert "of the whole site since" in said
    assert "THE SITE'S STILL STANDS" in lintel("lockdown", "off", "--reason", "over", code=1, both=True)
    assert "by site:alice: alarm" in lintel("lockdown", "status", code=1, both=True)
