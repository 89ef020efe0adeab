"""Reading settings: what is refused, and that each refusal names file, setting and remedy."""

import contextlib
import dataclasses
import os
import string
import zoneinfo
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import config
from appliance.config import Config
from appliance.errors import ConfigError
from appliance.settings import MqttConfig, PinsConfig


def read(folder: Path, *texts: str) -> Config:
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"layer{number}.toml")
        files[-1].write_text(text, encoding="utf-8")
    return config.load(*files)


def refusal(folder: Path, *texts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, *texts)
    return str(caught.value)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Config()


def test_the_site_wins_over_the_board(tmp_path: Path) -> None:
    loaded = read(tmp_path, "[pins]\nrelay = 5\nrex = 6\n", "[pins]\nrelay = 7\n")
    assert (loaded.pins.relay, loaded.pins.rex) == (7, 6)


def test_a_message_names_the_layer_that_is_wrong(tmp_path: Path) -> None:
    assert "layer0.toml" in refusal(tmp_path, "[pins]\nrelay = 99\n", "[pins]\nrex = 6\n")
    assert "layer1.toml" in refusal(tmp_path, "[pins]\nrex = 6\n", "[pins]\nrelay = 99\n")


def test_an_unknown_key_is_told_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[door]\nunlock_secs = 5\n")
    assert "layer0.toml: door.unlock_secs is unknown" in message
    assert "unlock_seconds, extended_unlock_seconds, held_seconds" in message


def test_an_unknown_section_is_told_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[doors]\nunlock_seconds = 5\n")
    assert "[doors] is unknown" in message
    assert ", ".join(get_type_hints(Config)) in message


def test_a_key_outside_a_section_is_refused(tmp_path: Path) -> None:
    assert "unlock_seconds stands outside any section" in refusal(tmp_path, "unlock_seconds = 5\n")


@pytest.mark.parametrize("value", ["2.9", "60.1", "nan", "inf", "-inf"])
def test_out_of_bounds_is_refused(tmp_path: Path, value: str) -> None:
    message = refusal(tmp_path, f"[door]\nunlock_seconds = {value}\n")
    assert "door.unlock_seconds" in message
    assert "must be 3 to 60" in message


@pytest.mark.parametrize("value", ["3", "3.0", "60"])
def test_bounds_themselves_are_allowed(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, f"[door]\nunlock_seconds = {value}\n").door.unlock_seconds == float(value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[door]\nunlock_seconds = '5'", "must be a number"),
        ("[door]\nunlock_seconds = true", "must be a number"),
        ("[pins]\nrelay = 17.0", "must be a whole number"),
        ("[pins]\nrelay = true", "must be a whole number"),
        ("[pins]\nrelay_active_high = 1", "must be true or false"),
        ("[site]\ndoor = 3", "must be text in quotes"),
        ("[site]\ndoor = ['front']", "must be text in quotes"),
        ("[door]\nlock = 'open'", "must be one of fail_secure, fail_safe"),
    ],
)
def test_a_wrong_type_or_choice_is_refused(tmp_path: Path, line: str, words: str) -> None:
    assert words in refusal(tmp_path, line)


def test_malformed_toml_says_where(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[door]\nunlock_seconds =\n")
    assert "layer0.toml is not valid TOML" in message
    assert "line 2" in message


def test_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes('[site]\ndoor = "Tür"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"not UTF-8.*save it as UTF-8"):
        config.load(file)


def test_a_missing_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist; write one \(docs/configuration\.md\) or pass --config"):
        config.load(tmp_path / "none.toml")


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "closed.toml"
    file.touch(mode=0)
    with pytest.raises(ConfigError, match=r"cannot be read.*owner and mode"):
        config.load(file)


def test_a_missing_board_file_is_fine_and_a_missing_site_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "BOARD_FILE", tmp_path / "board.toml")
    monkeypatch.setattr(config, "SITE_FILE", tmp_path / "lintel.toml")
    with pytest.raises(ConfigError, match=r"lintel\.toml does not exist"):
        config.load()
    (tmp_path / "lintel.toml").write_text('[site]\ndoor = "back"\n')
    assert config.load().site.door == "back"
    (tmp_path / "board.toml").write_text('[site]\ndoor = "board"\nsite = "here"\n')
    assert (config.load().site.door, config.load().site.site) == ("back", "here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[site]\ndoor = 'front/1'", "site.door"),
        ("[site]\ndoor = ''", "site.door"),
        ("[site]\nsite = '+'", "site.site"),
        ("[site]\nsite = 'café'", "site.site"),
        (f"[site]\nsite = '{'a' * 49}'", "1 to 48 letters"),
        ("[site]\ntimezone = 'Mars/Olympus'", "site.timezone"),
        ("[site]\ntimezone = '../etc/passwd'", "site.timezone"),
        ("[recognition]\nvotes = 6\nwindow = 5", "recognition.votes = 6: must not exceed recognition.window = 5"),
        ("[liveness]\nlevel = 'strict'\nsurround = false", "set surround = true, or level = 'high'"),
        ("[pins]\nrelay = 4\nrex = 4", "repeat"),
        ("[pins]\ntamper = 17", "repeat"),
        ("[mqtt]\nhost = 'broker.example.net'\ntls = false", "mqtt.tls"),
        ("[mqtt]\nhost = 'x'\ncert = '/c'", "mqtt.cert and mqtt.key"),
        ("[mqtt]\nhost = 'x'\nkey = '/k'", "mqtt.cert and mqtt.key"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_what_looks_alike_but_goes_together_is_allowed(tmp_path: Path) -> None:
    loaded = read(tmp_path, "[mqtt]\nhost = 'localhost'\ntls = false\n[pins]\nrex = -1\ncontact = -1\ntamper = -1\n")
    assert isinstance(loaded.mqtt, MqttConfig)
    assert loaded.pins == dataclasses.replace(PinsConfig(), rex=-1, contact=-1)
    for text in ("level = 'high'\nsurround = false", "level = 'strict'\nsurround = true"):
        read(tmp_path, f"[liveness]\n{text}")


def value(entry: dataclasses.Field[Any], kind: type) -> st.SearchStrategy[Any]:
    """Anything the setting's own bounds allow."""
    meta = entry.metadata
    if meta["choices"]:
        return st.sampled_from(meta["choices"])
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(meta["low"], meta["high"])
    if kind is float:
        return st.floats(meta["low"], meta["high"])
    # TOML text holds anything but surrogates.
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


ZONES = sorted(zoneinfo.available_timezones())


@st.composite
def configs(draw: st.DrawFn) -> Config:
    built: dict[str, Any] = {}
    for name, section in get_type_hints(Config).items():
        hints = get_type_hints(section)
        built[name] = {e.name: draw(value(e, hints[e.name])) for e in dataclasses.fields(section)}
    name = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=48).filter(
        lambda word: word.strip("-_") != ""
    )
    built["site"] |= {"site": draw(name), "door": draw(name), "timezone": draw(st.sampled_from(ZONES))}
    built["recognition"]["window"] = draw(st.integers(built["recognition"]["votes"], 30).filter(lambda n: n >= 3))
    built["liveness"]["surround"] |= built["liveness"]["level"] == "strict"
    lines = draw(st.permutations(range(54)))
    built["pins"] |= dict(zip(config.PINS, lines, strict=False))
    built["wiegand"] = dict(zip(("d0", "d1", "out_d0", "out_d1"), lines[len(config.PINS) :], strict=False))
    built["osdp"] |= {"device": "", "key_file": "", "baud": draw(st.sampled_from((9600, 115200)))}
    built["osdp_out"] |= {"device": "", "key_file": "", "baud": draw(st.sampled_from((9600, 115200)))}
    built["access"]["exit_reader"] = "wiegand"
    built["mqtt"] |= {"tls": True, "cert": "", "key": ""}
    return Config(**{key: get_type_hints(Config)[key](**values) for key, values in built.items()})


@given(configs())
def test_what_is_written_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, wanted: Config) -> None:
    file = tmp_path_factory.mktemp("round") / "all.toml"
    file.write_text(config.dump(wanted), encoding="utf-8")
    assert config.load(file) == wanted


ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(st.sampled_from(list(config.settings())), ANYTHING)
def test_no_value_does_worse_than_a_refusal(setting: tuple[str, dataclasses.Field[Any]], anything: Any) -> None:
    section, key = setting[0].split(".")
    with contextlib.suppress(ConfigError):
        built = config.from_mapping({section: {key: anything}})
        assert type(getattr(getattr(built, section), key)) is type(setting[1].default)


def test_embedded_settings_pass_their_own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    wanted = config.embedded()
    file = tmp_path / "embedded.toml"
    file.write_text(config.dump(wanted), encoding="utf-8")
    assert config.load(file) == wanted
    assert (wanted.pins.driver, wanted.camera.source) == ("mock", "visitors")
    assert wanted.paths.state == str(tmp_path / "state" / "lintel")


def test_the_digest_tells_settings_apart_but_not_places_and_keys(tmp_path: Path) -> None:
    base = config.Config()
    told = config.digest(base)
    assert len(told) == 12
    assert int(told, 16) >= 0
    assert config.digest(config.Config()) == told
    for section, key, value in (("paths", "state", "/x"), ("mqtt", "key", "/x"), ("osdp", "key_file", "/x")):
        changed = dataclasses.replace(getattr(base, section), **{key: value})
        assert config.digest(dataclasses.replace(base, **{section: changed})) == told
    for section, key, value in (("door", "unlock_seconds", 7.0), ("site", "door", "back")):
        changed = dataclasses.replace(getattr(base, section), **{key: value})
        assert config.digest(dataclasses.replace(base, **{section: changed})) != told


def test_passback_by_zone_needs_a_way_out_that_is_read() -> None:
    with pytest.raises(ConfigError, match=r"access\.exit_reader"):
        config.from_mapping({"access": {"passback": "zone"}})
    for reader in ("wiegand", "osdp", "keypad"):
        with pytest.raises(ConfigError, match="none is set up"):
            config.from_mapping({"access": {"passback": "zone", "exit_reader": reader}})
    lines = {"d0": 5, "d1": 6}
    made = config.from_mapping({"access": {"passback": "zone", "exit_reader": "wiegand"}, "wiegand": lines})
    assert made.access.exit_reader == "wiegand"
