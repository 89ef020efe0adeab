"""docs/configuration.md says of every setting what the code says.

`python -m tests.test_configuration` writes the page's tables anew.
"""

import json
import re
from dataclasses import Field
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from appliance import config

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = "| setting | default | may be | what it is |\n|---|---|---|---|"


def row(name: str, entry: Field[Any]) -> str:
    """The setting's line of its table."""
    about = str(entry.metadata["about"]).replace("|", "\\|")
    return f"| `{name.split('.')[1]}` | `{json.dumps(entry.default)}` | {bounds(entry)} | {about} |"


def bounds(entry: Field[Any]) -> str:
    meta = entry.metadata
    if meta["choices"]:
        return ", ".join(f"`{choice}`" for choice in meta["choices"])
    if meta["low"] is not None:
        return f"{meta['low']:g} to {meta['high']:g}"
    return {str: "text", bool: "`true`, `false`"}.get(type(entry.default), "any number")


def table(section: str) -> str:
    rows = [row(name, entry) for name, entry in config.settings() if name.split(".")[0] == section]
    return "\n".join([HEAD, *rows])


def chapters() -> dict[str, str]:
    """Text under each `## [section]` of the page."""
    parts = re.split(r"^## \[(\w+)\]$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_has_the_sections_of_the_code_in_their_order() -> None:
    assert list(chapters()) == list(get_type_hints(config.Config))


@pytest.mark.parametrize("section", get_type_hints(config.Config))
def test_a_table_says_what_the_code_says(section: str) -> None:
    """Name, default, bounds, choices and the sentence, of all settings and no others."""
    found = "\n".join(line for line in chapters()[section].splitlines() if line.startswith("|"))
    assert found == table(section)


def test_the_examples_of_the_page_load(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert examples
    for text in examples:
        file = tmp_path / "example.toml"
        file.write_text(text, encoding="utf-8")
        config.load(file)


def test_every_setting_has_a_sentence_and_a_number_has_bounds() -> None:
    for name, entry in config.settings():
        assert entry.metadata["about"].endswith("."), name
        if type(entry.default) in (int, float):
            assert entry.metadata["low"] <= entry.default <= entry.metadata["high"], name


def rewritten() -> str:
    """The page with its tables made anew."""
    head = PAGE.read_text(encoding="utf-8").split("## [", 1)[0]
    sections = get_type_hints(config.Config).items()
    return head + "\n".join(f"## [{name}]\n{kind.__doc__}\n\n{table(name)}\n" for name, kind in sections)


if __name__ == "__main__":
    PAGE.write_text(rewritten(), encoding="utf-8")
