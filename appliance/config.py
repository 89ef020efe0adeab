"""Settings: TOML in two layers (board, then site) to frozen dataclasses with bounds.

A part receives its own section, never the whole `Config`. An unknown key is an error that
lists the known ones. The tables are in `settings.py`.
"""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, cast, get_type_hints
from zoneinfo import ZoneInfo

from appliance.errors import ConfigError
from appliance.settings import (
    AccessConfig,
    CameraConfig,
    DoorConfig,
    KeypadConfig,
    LivenessConfig,
    MqttConfig,
    OsdpConfig,
    OsdpOutConfig,
    PassesConfig,
    PathsConfig,
    PinsConfig,
    RecognitionConfig,
    RetentionConfig,
    ScreenConfig,
    SiteConfig,
    UsersConfig,
    WebConfig,
    WiegandConfig,
)

SITE_FILE = Path("/etc/lintel/lintel.toml")
BOARD_FILE = Path("/etc/lintel/board.toml")
PINS = ("relay", "rex", "contact", "tamper", "fire", "green", "red", "buzzer")
"""Settings of [pins] that name a line."""


UNTOLD = ("ca", "cert", "key", "key_file", "password_file", "username", "commands_key")
"""Settings that `digest` leaves out."""


@dataclass(frozen=True, slots=True)
class Config:
    """All sections. Only daemons/ and commands/ hold one."""

    site: SiteConfig = field(default_factory=SiteConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    door: DoorConfig = field(default_factory=DoorConfig)
    pins: PinsConfig = field(default_factory=PinsConfig)
    keypad: KeypadConfig = field(default_factory=KeypadConfig)
    wiegand: WiegandConfig = field(default_factory=WiegandConfig)
    osdp: OsdpConfig = field(default_factory=OsdpConfig)
    osdp_out: OsdpOutConfig = field(default_factory=OsdpOutConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    passes: PassesConfig = field(default_factory=PassesConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    recognition: RecognitionConfig = field(default_factory=RecognitionConfig)
    liveness: LivenessConfig = field(default_factory=LivenessConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    web: WebConfig = field(default_factory=WebConfig)
    screen: ScreenConfig = field(default_factory=ScreenConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    users: UsersConfig = field(default_factory=UsersConfig)


def settings() -> Iterator[tuple[str, Field[Any]]]:
    """Every setting as (`section.key`, dataclass field), in the order of the documentation."""
    for name, section in get_type_hints(Config).items():
        for entry in fields(section):
            yield f"{name}.{entry.name}", entry


def load(*layers: Path) -> Config:
    """Read TOML files, later ones over earlier ones. A missing board file is fine, a missing site file is not.

    Raises ConfigError: unreadable, malformed, unknown key, wrong type, out of bounds.
    """
    if not layers:
        layers = (*tuple(p for p in (BOARD_FILE,) if p.exists()), SITE_FILE)
    merged: dict[str, dict[str, Any]] = {}
    where: dict[str, Path] = {}
    for path in layers:
        for section, values in _read(path).items():
            if not isinstance(values, dict):
                raise ConfigError(f"{path}: {section} stands outside any section; put it under one of {_sections()}")
            merged.setdefault(section, {}).update(values)
            where.update({f"{section}.{key}": path for key in values} | {section: path})
    return from_mapping(merged, where)


def embedded() -> Config:
    """What runs with no file at all: a simulated visitor at a simulated door, kept under the user's own folders."""
    home = Path.home()
    state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "lintel"
    run = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/lintel-{os.getuid()}") / "lintel"  # noqa: S108 - 0700, ours
    return Config(
        site=SiteConfig(door="demo"),
        paths=PathsConfig(state=str(state), run=str(run)),
        pins=PinsConfig(driver="mock"),
        keypad=KeypadConfig(source="terminal"),
        camera=CameraConfig(source="visitors"),
    )


def from_mapping(merged: Mapping[str, Mapping[str, Any]], where: Mapping[str, Path] | None = None) -> Config:
    """Check values and build the Config. `where` names the file of each `section.key` for messages."""
    where = where or {}
    hints = get_type_hints(Config)
    built: dict[str, Any] = {}
    for section, values in merged.items():
        if section not in hints:
            raise ConfigError(f"{_at(where, section)}[{section}] is unknown; sections are {_sections()}")
        built[section] = _section(section, hints[section], values, where)
    config = Config(**built)
    _check_across(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; write one (docs/configuration.md) or pass --config FILE") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; check its owner and mode") from None


def _section(name: str, cls: type, values: Mapping[str, Any], where: Mapping[str, Path]) -> Any:
    known = {entry.name: entry for entry in fields(cls)}
    hints = get_type_hints(cls)
    checked: dict[str, Any] = {}
    for key, value in values.items():
        place = _at(where, f"{name}.{key}")
        if key not in known:
            raise ConfigError(f"{place}{name}.{key} is unknown; [{name}] knows {', '.join(known)}")
        checked[key] = _value(f"{place}{name}.{key}", known[key], hints[key], value)
    return cls(**checked)


def _value(place: str, entry: Field[Any], kind: type, value: Any) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{place} = {value!r}: must be {_KIND_WORDS[kind]}")
    low, high, choices = entry.metadata["low"], entry.metadata["high"], entry.metadata["choices"]
    # Written so that nan, which compares false with everything, is refused.
    if low is not None and not low <= value <= high:
        raise ConfigError(f"{place} = {value}: must be {low:g} to {high:g}")
    if choices and value not in choices:
        raise ConfigError(f"{place} = {value!r}: must be one of {', '.join(choices)}")
    return value


_KIND_WORDS = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def _check_across(config: Config) -> None:
    """Rules that join settings."""
    for key in ("site", "door"):
        word = cast(str, getattr(config.site, key))
        if not (word.isascii() and word.replace("-", "").replace("_", "").isalnum() and len(word) <= 48):
            raise ConfigError(f"site.{key} = {word!r}: must be 1 to 48 letters, digits, - or _")
    try:
        ZoneInfo(config.site.timezone)
    except (KeyError, ValueError, OSError):
        zone = config.site.timezone
        raise ConfigError(f"site.timezone = {zone!r}: unknown zone; use an IANA name such as Europe/Berlin") from None
    if config.recognition.votes > config.recognition.window:
        raise ConfigError(
            f"recognition.votes = {config.recognition.votes}: must not exceed recognition.window "
            f"= {config.recognition.window}"
        )
    if config.liveness.level == "strict" and not config.liveness.surround:
        raise ConfigError(
            "liveness.surround = false: liveness.level = 'strict' would let nobody in by face, since every layer must "
            "speak; set surround = true, or level = 'high' where the camera is not fixed"
        )
    lines = [n for n in (getattr(config.pins, key) for key in PINS) if n >= 0]
    if len(set(lines)) != len(lines):
        raise ConfigError(f"pins: lines {sorted(lines)} repeat; each of {', '.join(PINS)} needs its own")
    _check_wiegand(config.wiegand, lines)
    _check_exit(config)
    _check_osdp("osdp", config.osdp)
    _check_osdp("osdp_out", config.osdp_out)
    if config.osdp.device and config.osdp.device == config.osdp_out.device:
        raise ConfigError(f"osdp_out.device = {config.osdp_out.device!r}: the reader's line; a panel needs its own")
    mqtt = config.mqtt
    if mqtt.host and not mqtt.tls and mqtt.host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(f"mqtt.tls = false: only for a broker on this machine, not {mqtt.host!r}; set tls = true")
    if bool(mqtt.cert) != bool(mqtt.key):
        raise ConfigError("mqtt.cert and mqtt.key: set both or neither")


def _check_exit(config: Config) -> None:
    if config.access.passback == "zone" and not config.access.exit_reader:
        raise ConfigError(
            'access.passback = "zone": nobody could ever leave; name the reader inside in access.exit_reader, '
            'or use access.passback = "timed"'
        )
    wired = {
        "keypad": config.keypad.source != "none",
        "wiegand": config.wiegand.d0 >= 0,
        "osdp": config.osdp.device != "",
    }
    if not wired.get(config.access.exit_reader, True):
        raise ConfigError(f"access.exit_reader = {config.access.exit_reader!r}: none is set up; fill in its section")


def _check_osdp(section: str, line: OsdpConfig | OsdpOutConfig) -> None:
    if line.baud not in (9600, 19200, 38400, 57600, 115200):
        raise ConfigError(f"{section}.baud = {line.baud}: must be 9600, 19200, 38400, 57600 or 115200")
    if line.device and not line.key_file:
        raise ConfigError(
            f"{section}.key_file: the other side is believed by its key only; name the file that holds it"
        )


def _check_wiegand(wiegand: WiegandConfig, taken: list[int]) -> None:
    if (wiegand.d0 < 0) != (wiegand.d1 < 0) or (wiegand.out_d0 < 0) != (wiegand.out_d1 < 0):
        raise ConfigError("wiegand.d0 and d1, and wiegand.out_d0 and out_d1: set both or neither")
    own = [line for line in (wiegand.d0, wiegand.d1, wiegand.out_d0, wiegand.out_d1) if line >= 0]
    if len({*own, *taken}) != len(own) + len(taken):
        raise ConfigError(f"wiegand: lines {sorted(own)} must differ from each other and from those of [pins]")


def _sections() -> str:
    return ", ".join(get_type_hints(Config))


def _at(where: Mapping[str, Path], key: str) -> str:
    return f"{where[key]}: " if key in where else ""


def to_mapping(config: Config) -> dict[str, dict[str, Any]]:
    """Sections and values, as `from_mapping` takes them."""
    return {
        name: {entry.name: getattr(getattr(config, name), entry.name) for entry in fields(section)}
        for name, section in get_type_hints(Config).items()
    }


def dump(config: Config) -> str:
    """TOML that `load` reads back as the same Config."""
    lines: list[str] = []
    for name, values in to_mapping(config).items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_literal(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def digest(config: Config) -> str:
    """12 hex digits that say whether two events were judged under the same settings; part of each event.

    What names a file, a key or a password counts for nothing: it may differ from start to start.
    """
    told = to_mapping(config)
    del told["paths"]
    kept = {
        section: {name: value for name, value in values.items() if name not in UNTOLD}
        for section, values in told.items()
    }
    return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def _literal(value: Any) -> str:
    """JSON's text, number and bool literals are TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
