"""The screen's words by language, one TOML file each, read once from the package."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the visitor's screen."""

    code: str
    """Language tag of BCP 47, as in `lang="..."`."""
    name: str
    """What its speakers call it; its button carries that and no flag."""
    dir: str
    """`ltr` or `rtl`."""
    screens: Mapping[str, Mapping[str, str]]
    """Per screen `title`, `help` (may be empty) and, where it is spoken, `say`."""
    words: Mapping[str, str]
    """Buttons and other small words."""


def load() -> Mapping[str, Language]:
    """All languages by code, in the order of their names' Latin letters."""
    found = [parse(entry.name.removesuffix(".toml"), entry.read_text(encoding="utf-8")) for entry in _files()]
    return {language.code: language for language in sorted(found, key=lambda language: language.name)}


def parse(code: str, text: str) -> Language:
    """A language from its file's text. Raises KeyError, TOMLDecodeError: a file of ours is broken."""
    table: dict[str, Any] = tomllib.loads(text)
    return Language(code, table["name"], table["dir"], table["screens"], table["words"])


def _files() -> list[Any]:
    return [entry for entry in (files("appliance.web") / "languages").iterdir() if entry.name.endswith(".toml")]
