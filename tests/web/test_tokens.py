"""The colours: every pair that meets on the page is legible in both themes (WCAG 2.2, AA)."""

import re

import pytest

from appliance.web import assets

CSS = {name: asset.content.decode() for name, asset in assets.load().items() if name.endswith(".css")}
TOKENS = dict(re.findall(r"(--[\w-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\)", CSS["tokens.css"]))
TONES = ("act", "good", "needs", "alarm")
GROUNDS = ("bg", "surface", "raised")
TEXT = [(f"--{ink}", f"--{ground}") for ink in ("text", "muted", *TONES) for ground in ("bg", "surface")]
TEXT += [("--text", "--raised"), ("--muted", "--raised")]
TEXT += [(ink, f"--{tone}-tint") for tone in TONES for ink in ("--text", "--muted", f"--{tone}")]
TEXT += [("--on-tone", f"--{tone}") for tone in (*TONES, "muted")]
TEXT += [(f"--on-fill-{tone}", f"--fill-{tone}") for tone in ("good", "needs", "alarm")]
SHAPES = [("--line-strong", f"--{ground}") for ground in GROUNDS]
SHAPES += [(f"--{tone}", "--raised") for tone in TONES]  # fills of bars
SHAPES += [("--act", f"--{ground}") for ground in GROUNDS]  # the focus ring
SHAPES += [("--qr-dark", "--qr-light")]
SHAPES += [("--text", "--raised"), ("--text", "--good"), ("--muted", "--raised")]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of an sRGB colour."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_the_standard_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), [(*p, 4.5) for p in TEXT] + [(*p, 3.0) for p in SHAPES])
def test_contrast(ink: str, ground: str, least: float, theme: str) -> None:
    which = 0 if theme == "light" else 1
    pair = [TOKENS[name].split(", ")[which] for name in (ink, ground)]
    # A mark on a filled bar has a ring of the surface around it, so it may be closer to the fill.
    least = 1.5 if (ink, ground) == ("--text", "--good") else least
    assert contrast(*pair) >= least, f"{ink} {pair[0]} on {ground} {pair[1]}"


def test_colours_stand_in_one_file() -> None:
    for name, text in CSS.items():
        if name != "tokens.css":
            assert not re.search(r"#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(", text, re.I), name


def test_every_token_used_is_defined() -> None:
    defined = set(re.findall(r"(--[\w-]+):", "".join(CSS.values()))) | {"--value", "--mark"}
    assert set(re.findall(r"var\((--[\w-]+)", "".join(CSS.values()))) <= defined


def test_motion_stops_where_it_is_not_wanted() -> None:
    assert "prefers-reduced-motion" in CSS["tokens.css"]
    assert "prefers-reduced-motion" in CSS["now.css"]
    durations = re.findall(r"(?:transition|animation):[^;]*?(\d+m?s)", CSS["now.css"] + CSS["page.css"])
    assert durations == ["480ms"], "a duration outside the tokens must be switched off by its own media query"


def test_no_font_or_picture_is_fetched() -> None:
    assert not re.search(r"@import|@font-face|url\(", "".join(CSS.values()))
