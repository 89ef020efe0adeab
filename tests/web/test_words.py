"""Nothing that the other rooms can say is left without words."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from appliance.door.table import RECORDED, TABLE, State
from appliance.facts import Credential, Reason, Surround
from appliance.vision.quality import Hint
from appliance.web import words

PACKAGE = Path(__file__).parents[2] / "appliance"
TABLES = {name: table for name, table in vars(words).items() if name.isupper()}
SOURCE = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if "web" not in path.parts}


def test_every_reason_has_words_and_says_what_helps() -> None:
    assert set(words.REASON) == set(Reason)
    for reason, said in words.REASON.items():
        assert said.title
        assert said.help or reason is Reason.GRANTED, f"{reason} does not say what helps"
        assert (said.tone == "good") is (reason is Reason.GRANTED)


def test_every_state_and_hint_of_the_other_rooms_has_words() -> None:
    assert set(words.DOOR) == {state.value for state in State} == {state.value for state in TABLE}
    assert set(words.HINT) == {hint.value for hint in Hint}
    assert set(words.SURROUND) == set(Surround)
    assert set(words.CREDENTIAL) >= set(Credential)


def test_every_stage_of_the_chain_has_words() -> None:
    chain = SOURCE[PACKAGE / "vision" / "chain.py"]
    timed = "".join(source for path, source in SOURCE.items() if path.parent.name == "vision")
    assert set(re.findall(r"timed\(\"(\w+)\"\)", timed)) == set(words.STEP)
    stages = set(re.findall(r"_glimpse\(frame, \"(\w+)\"", chain))
    assert stages == set(words.STAGE) - {"face_off"}


def test_every_scene_of_the_simulated_visitors_has_words() -> None:
    script = re.search(r"^SCRIPT = \((.*?)^\)", SOURCE[PACKAGE / "camera" / "visitors.py"], re.S | re.M)
    assert script
    assert set(re.findall(r"\(\"(\w+)\"", script[1])) == set(words.SCENE)


def test_every_event_of_the_other_rooms_has_words() -> None:
    said = {("door", why) for why in RECORDED.values()}
    for path, source in SOURCE.items():
        for kind, why in re.findall(r"EventType\.(\w+), \"(\w+)\"", source):
            said.add((kind.lower(), why))
        said |= {("audit", why) for why in re.findall(r"\.changed\(\"(\w+)\"", source)}
        if path.parent.name == "store":
            said |= {("audit", why) for why in re.findall(r"_change\(\"(\w+)\"", source)}
        if path.name == "loop.py":
            said |= {
                ("sys", why) for why in re.findall(r"\"(\w+_(?:lost|back|refused|unusable)|started|stopped)\"", source)
            }
        if path.name == "machine.py":
            said |= {("door", why) for why in re.findall(r"_event\(\"(\w+)\"", source)}
    assert len(said) > 25, "the search finds nothing any more"
    assert said - set(words.EVENT) == set()


@pytest.mark.parametrize("name", TABLES)
def test_words_are_short_and_whole(name: str) -> None:
    for key, said in TABLES[name].items():
        assert 2 <= len(said.title) <= 44, (key, said.title)
        assert len(said.help) <= 110, (key, said.help)
        assert not said.help or said.help.endswith("."), (key, said.help)
        assert not said.title.endswith("."), (key, said.title)
        for text in (said.title, said.help, said.alarm):
            assert text == " ".join(text.split()), (key, text)
            assert not re.search(r"\b(simply|just|please|oops|successfully)\b", text, re.I), (key, text)


def test_what_needs_someone_says_what_to_do() -> None:
    for name in ("DOOR", "CAMERA", "KEYPAD", "VISION", "MQTT", "STORE", "PROCESS"):
        for key, said in TABLES[name].items():
            assert said.help or said.tone not in ("needs", "alarm"), (name, key)


def test_a_word_without_an_entry_is_shown_and_never_fails() -> None:
    assert words.say(words.DOOR, "HALF_OPEN") == words.Words("HALF OPEN")
    assert words.say(words.DOOR, None).title == "Not known yet"
    assert words.say_event("sys", "gremlins_seen").title == "Gremlins seen"
    assert words.plain_word("___") == "Not known"
    assert len(words.plain_word("x" * 500)) == 60


def test_the_entry_of_a_reason_is_found_by_type_access_spoof_and_pin() -> None:
    for kind in ("access", "spoof", "pin"):
        assert words.say_event(kind, "spoof") == words.REASON[Reason.SPOOF]


def test_words_are_plain_values() -> None:
    assert [field.name for field in fields(words.Words)] == ["title", "help", "tone", "alarm"]
