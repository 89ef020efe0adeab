"""`lintel people` on a real store, with the real models for photos."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.access.passes import Pass
from appliance.commands import enrolment
from appliance.store.consent import NOTICE, NOTICE_VERSION
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.store.faces import gallery
from appliance.store.passes import Passbook
from appliance.store.people import People
from appliance.store.rulebook import Rulebook
from appliance.system.clock import now
from appliance.system.keys import DeviceKey

DATA = Path(__file__).parents[1] / "data"
OBAMA, OBAMA2, OBAMA3 = (DATA / f"{name}.jpg" for name in ("obama", "obama2", "obama3"))
BIDEN, ASTRONAUT = DATA / "biden.jpg", DATA / "astronaut.jpg"


@dataclass
class Shell:
    """Runs `lintel` against a state of its own."""

    state: Path
    config: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: object, code: int = 0, both: bool = False) -> str:
        """Standard output of a command that ends with `code`, or its error; `both`: one after the other."""
        self.capture.readouterr()
        assert main(["--config", str(self.config), *map(str, words)]) == code
        said = self.capture.readouterr()
        return said.out + said.err if both else said.out if code == 0 else said.err

    def json(self, *words: object, code: int = 0) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self(*words, "--json", code=code, both=True))
        return answer

    def people(self) -> People:
        return People(connect(self.state / FILE), DeviceKey.load(self.state))


@pytest.fixture
def lintel(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    config = tmp_path / "lintel.toml"
    state = tmp_path / "state"
    config.write_text(f'[paths]\nstate = "{state}"\nrun = "{tmp_path / "run"}"\n[site]\ntimezone = "Europe/Berlin"\n')
    return Shell(state, config, capsys)


def test_a_person_with_photos_and_a_pin(lintel: Shell) -> None:
    added = lintel.json(
        "people", "add", "Barack Obama", OBAMA, OBAMA2, "--consent", "--pin", "--group", "staff", "--extended"
    )
    assert (added["templates"], added["pin"], added["groups"], added["extended"]) == (2, True, ["staff"], True)
    assert added["consent"]["notice"] == NOTICE_VERSION  # type: ignore[index]
    digits = str(added["digits"])
    assert len(digits) == 6
    keys, people = DeviceKey.load(lintel.state), lintel.people()
    assert people.roster().pins == {keys.pin_digest(digits, people.pin_salt): added["pid"]}
    listed = lintel("people", "list")
    assert "Barack Obama" in listed
    assert "face (2), PIN" in listed
    assert digits not in listed
    assert lintel.json("people", "list")["people"] == [
        {k: v for k, v in added.items() if k not in ("digits", "enrolment")}
    ]
    assert lintel("people", "list", "--quiet").strip() == added["pid"]


def test_the_templates_match_another_photo_of_the_same_person(lintel: Shell) -> None:
    pid = lintel.json("people", "add", "Barack Obama", OBAMA, OBAMA2, "--consent")["pid"]
    again = lintel("people", "add", "Somebody", OBAMA3, "--consent", code=2)
    assert f"this face is enrolled already, as Barack Obama ({pid})" in again
    assert "enrolled already" not in lintel("people", "add", "Joe Biden", BIDEN, "--consent")
    assert "has 1 more templates" in lintel("people", "enrol", "barack obama", OBAMA3)
    assert lintel.json("people", "show", pid)["templates"] == 3


def test_a_suspended_persons_face_is_still_theirs(lintel: Shell) -> None:
    lintel("people", "add", "Barack Obama", OBAMA, OBAMA2, "--consent")
    lintel("people", "suspend", "barack obama")
    assert "enrolled already, as Barack Obama" in lintel("people", "add", "X", OBAMA3, "--consent", code=2)


def test_without_consent_no_face_is_stored(lintel: Shell) -> None:
    said = lintel("people", "add", "Barack Obama", OBAMA, code=2)
    assert "only with consent" in said
    assert "--consent" in said
    assert "A PIN needs none" in said
    assert lintel.json("people", "list") == {"people": []}


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("YES \n", 0), ("y\n", 2), ("\n", 2), ("", 2)])
def test_at_a_terminal_the_notice_is_shown_and_the_answer_counts(
    lintel: Shell, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    lintel.capture.readouterr()
    assert main(["--config", str(lintel.config), "people", "add", "Joe Biden", str(BIDEN)]) == code
    assert NOTICE in lintel.capture.readouterr().err
    assert len(lintel.people().list()) == (code == 0)


def test_show_prints_all_that_is_kept(lintel: Shell, tmp_path: Path) -> None:
    lintel("people", "add", "Ada", "--pin")
    lintel("people", "set-card", "Ada", "120:4711")
    lintel("pass", "issue", "Ada", "--from", "2026-11-01", "--until", "2026-11-02", "--out", str(tmp_path / "pass.png"))
    told = lintel.json("people", "show", "Ada")
    assert told["card"] == "26:120:4711"
    assert len(told["passes"]) == 1
    assert "until 2026-11-02" in told["passes"][0]


def test_one_bad_photo_and_nothing_is_stored(lintel: Shell, tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(OBAMA.read_bytes()[:500])
    said = lintel("people", "add", "Barack Obama", OBAMA, broken, missing, "--consent", "--pin", code=2)
    assert "nothing was stored" in said
    assert f"{broken}:" in said
    assert f"{missing}:" in said
    assert f"{OBAMA}:" not in said
    assert lintel.json("people", "list") == {"people": []}


def test_photos_of_two_people_are_told_apart(lintel: Shell) -> None:
    said = lintel("people", "add", "Barack Obama", OBAMA, OBAMA2, BIDEN, "--consent", code=2)
    assert f"{BIDEN}: does not look like the person in the other photos" in said
    assert f"{OBAMA}:" not in said
    assert lintel.json("people", "list") == {"people": []}


def test_who_looks_like_somebody_else_is_named(lintel: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def warned(*words: object) -> str:
        lintel.capture.readouterr()
        assert main(["--config", str(lintel.config), "people", *map(str, words), "--consent"]) == 0
        return lintel.capture.readouterr().err

    assert warned("add", "Barack Obama", OBAMA) == ""
    monkeypatch.setattr(enrolment, "_lookalike", lambda config, comparisons: -1.0)
    assert warned("enrol", "Barack Obama", OBAMA2) == "", "nobody looks like themselves"
    assert "looks like Barack Obama: " in warned("add", "Joe Biden", BIDEN)
    with connect(lintel.state / FILE) as db:
        assert Rulebook(db).alike() == {person.pid for person in lintel.people().list()}


def test_a_pin_alone_is_enough_and_nothing_is_not(lintel: Shell) -> None:
    assert "nothing would open the door for Ada" in lintel("people", "add", "Ada", code=2)
    said = lintel("people", "add", "Ada", "--pin")
    assert "shown once" in said
    assert lintel.json("people", "show", "ada")["consent"] is None


def test_setting_pins(lintel: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    lintel("people", "add", "Ada", "--pin")
    assert len(str(lintel.json("people", "set-pin", "Ada")["digits"])) == 6
    for digits, code in (("482913\n", 0), ("123456\n", 2)):
        monkeypatch.setattr("sys.stdin", io.StringIO(digits))
        said = lintel("people", "set-pin", "Ada", "--choose", code=code)
        assert digits.strip() not in said
    lintel("people", "remove-pin", "Ada")
    assert lintel.json("people", "show", "Ada")["pin"] is False


def test_every_other_change(lintel: Shell) -> None:
    pid = str(lintel.json("people", "add", "Ada", "--pin")["pid"])
    assert lintel.json("people", "suspend", pid)["suspended"] is True
    assert lintel.json("people", "resume", pid[:8])["suspended"] is False
    assert lintel.json("people", "extended", "Ada", "on")["extended"] is True
    assert lintel.json("people", "extended", "Ada", "off")["extended"] is False
    assert lintel.json("people", "groups", "Ada", "b", "a")["groups"] == ["a", "b"]
    assert lintel.json("people", "rename", "Ada", "Ada King")["name"] == "Ada King"
    valid = lintel.json("people", "valid", "Ada King", "--from", "2027-03-28", "--until", "2027-03-28")
    # The day in Berlin on which summer time begins: 23 hours.
    assert (valid["valid_from"], valid["valid_until"]) == ("2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z")
    assert "lies before --from" in lintel(
        "people", "valid", "Ada King", "--from", "2027-03-28", "--until", "2027-03-01", code=2
    )
    assert "write it as 2027-01-31" in lintel("people", "valid", "Ada King", "--until", "tomorrow", code=2)
    assert lintel.json("people", "valid", "Ada King")["valid_until"] is None


def test_removal_is_asked_for_and_final(lintel: Shell) -> None:
    pid = lintel.json("people", "add", "Joe Biden", BIDEN, "--consent", "--pin")["pid"]
    assert "add --yes" in lintel("people", "remove", "Joe Biden", code=2)
    assert lintel.json("people", "remove", "Joe Biden", "--yes") == {"pid": pid, "removed": True, "complete": True}
    assert "nobody is called" in lintel("people", "show", "Joe Biden", code=2)
    keys = DeviceKey.load(lintel.state)
    db = connect(lintel.state / FILE)
    assert gallery(db, keys, "any")[0] == []
    assert EventLog(db).latest(1)[0].person == pid
    disk = b"".join(file.read_bytes() for file in lintel.state.iterdir())
    assert b"Biden" not in disk


def test_withdrawing_keeps_the_pin(lintel: Shell) -> None:
    lintel("people", "add", "Joe Biden", BIDEN, "--consent", "--pin")
    after = lintel.json("people", "withdraw", "Joe Biden")
    assert (after["templates"], after["consent"], after["pin"]) == (0, None, True)
    assert "only with consent" in lintel("people", "enrol", "Joe Biden", BIDEN, code=2)


def test_a_lost_device_key_is_not_replaced_by_a_new_one(lintel: Shell) -> None:
    lintel("people", "add", "Ada", "--pin")
    (lintel.state / "device.key").unlink()
    assert "device.key does not exist; restore it" in lintel("people", "list", code=2)
    assert not (lintel.state / "device.key").exists()


def test_names_and_pins_never_reach_the_log_or_the_record(lintel: Shell, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0):
        digits = lintel.json("people", "add", "Joe Biden", BIDEN, "--consent", "--pin")["digits"]
        lintel("people", "suspend", "Joe Biden")
    record = lintel("events", "--json")
    for text in (caplog.text, record):
        assert "Biden" not in text
        assert str(digits) not in text


def test_the_notice_can_be_printed(lintel: Shell) -> None:
    assert lintel("people", "notice") == NOTICE
    assert lintel.json("people", "notice") == {"version": NOTICE_VERSION, "text": NOTICE}


@pytest.mark.parametrize(
    "words", [["people"], ["people", "add"], ["people", "dance"], ["people", "extended", "x", "maybe"]]
)
def test_wrong_use_ends_with_2(lintel: Shell, words: list[str]) -> None:
    run: Callable[[], int] = lambda: main(["--config", str(lintel.config), *words])  # noqa: E731
    with pytest.raises(SystemExit) as caught:
        run()
    assert caught.value.code == 2


def test_a_card_is_given_and_taken_away(lintel: Shell) -> None:
    pid = lintel.json("people", "add", "Ada", "--pin")["pid"]
    assert "that card now" in lintel("people", "set-card", "Ada", "120:4711")
    assert list(lintel.people().roster().cards.values()) == [pid]
    assert "FACILITY:NUMBER" in lintel("people", "set-card", "Ada", "4711", code=2)
    lintel("people", "remove-card", "Ada")
    assert not lintel.people().roster().cards


def test_a_pin_for_being_forced_stands_beside_the_ordinary_one(lintel: Shell) -> None:
    lintel("people", "add", "Ada", "--pin")
    told = lintel.json("people", "set-duress-pin", "Ada")
    roster, keys = lintel.people().roster(), DeviceKey.load(lintel.state)
    assert roster.duress_pins == {keys.pin_digest(str(told["digits"]), lintel.people().pin_salt): told["pid"]}
    assert (told["pin"], told["duress_pin"]) == (True, True)
    assert str(told["digits"]) not in lintel("people", "show", "Ada")
    assert "forced any more" in lintel("people", "remove-duress-pin", "Ada")
    assert not lintel.people().roster().duress_pins
    lintel("people", "remove-pin", "Ada")
    assert "give them one first" in lintel("people", "set-duress-pin", "Ada", code=2)


def test_the_list_tells_cards_and_passes_that_open(lintel: Shell) -> None:
    pid = str(lintel.json("people", "add", "Ada", "--pin")["pid"])
    lintel("people", "set-card", "Ada", "12:3456")
    db, at = connect(lintel.state / FILE), now().utc
    for number, (begin, end, uses) in enumerate([(-9, 99, 0), (-9, -1, 0), (50, 99, 0)]):
        given = Pass(
            f"00000000-0000-4000-8000-00000000000{number}", pid, "site", (), int(at + begin), int(at + end), uses
        )
        Passbook(db).issue(given, "cli")
    assert "PIN, card, pass (1)" in lintel("people", "list")
