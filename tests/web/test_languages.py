"""Every language says everything, in words that fit, and speaks what it says."""

import hashlib
import json
import re
from importlib.resources import files
from typing import get_args

import pytest

from appliance.settings import ScreenConfig
from appliance.web import languages
from appliance.web.screen import TONES
from appliance.web.words import Tone

LANGUAGES = languages.load()
ENGLISH = LANGUAGES["en"]
SPEECH = files("appliance.web") / "speech"
LONGEST = {"title": 24, "help": 72, "say": 72}
BUTTONS = ("pin", "help", "privacy", "language", "mute", "unmute", "back", "delete", "scramble")
LARGEST_SPEECH = 1_500_000


def test_the_settings_offer_what_there_is() -> None:
    choices = ScreenConfig.__dataclass_fields__["language"].metadata["choices"]
    assert set(choices) == set(LANGUAGES)
    assert set(TONES.values()) <= set(get_args(Tone))


@pytest.mark.parametrize("code", LANGUAGES)
def test_nothing_is_missing_empty_or_too_long(code: str) -> None:
    language = LANGUAGES[code]
    assert language.dir in ("ltr", "rtl")
    assert language.words.keys() == ENGLISH.words.keys()
    assert language.screens.keys() == ENGLISH.screens.keys()
    for key, said in language.screens.items():
        assert said.keys() == ENGLISH.screens[key].keys(), key
        for kind, text in said.items():
            assert len(text) <= LONGEST[kind], (key, kind, len(text))
            assert text == " ".join(text.split()), (key, kind)
            assert bool(text) == bool(ENGLISH.screens[key][kind]), (key, kind)
    for key, text in language.words.items():
        assert 0 < len(text) <= (14 if key in BUTTONS else 110), (key, text)


@pytest.mark.parametrize("code", LANGUAGES)
def test_places_for_times_and_numbers_are_kept(code: str) -> None:
    for key, said in ENGLISH.screens.items():
        for kind, text in said.items():
            assert re.findall(r"{\w+}", LANGUAGES[code].screens[key][kind]) == re.findall(r"{\w+}", text), key
    for key, text in ENGLISH.words.items():
        assert re.findall(r"{\w+}", LANGUAGES[code].words[key]) == re.findall(r"{\w+}", text), key


def test_every_screen_that_is_an_answer_or_an_alarm_is_spoken() -> None:
    answers = {key for key, tone in TONES.items() if tone in ("good", "needs", "alarm")} - {"out_of_service"}
    assert {key for key, said in ENGLISH.screens.items() if "say" in said} >= answers


def test_prompts_are_those_of_the_words_and_small() -> None:
    wanted = {
        f"{code}/{key}": hashlib.sha256(said["say"].encode()).hexdigest()[:16]
        for code, language in LANGUAGES.items()
        for key, said in language.screens.items()
        if "say" in said
    }
    assert json.loads((SPEECH / "texts.json").read_text(encoding="utf-8")) == wanted, "run deploy/build-speech.sh"
    sizes = 0
    for name in wanted:
        sound = (SPEECH / f"{name}.ogg").read_bytes()
        assert sound.startswith(b"OggS")
        assert b"OpusHead" in sound[:64]
        sizes += len(sound)
    assert sizes < LARGEST_SPEECH
