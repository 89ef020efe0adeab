"""Settings: TOML in two layers (board, then site) to frozen dataclasses with bounds.

A part receives its own section, never the whole `Config`. An unknown key is an error that
lists the known ones. Every field carries the sentence that docs/configuration.md shows.
"""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints
from zoneinfo import ZoneInfo

from appliance.errors import ConfigError

SITE_FILE = Path("/etc/lintel/lintel.toml")
BOARD_FILE = Path("/etc/lintel/board.toml")
PINS = ("relay", "rex", "contact", "tamper", "fire", "green", "red", "buzzer")
"""Settings of [pins] that name a line."""


def setting(  # noqa: D103 - private helper of the tables below
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """Which door this is."""

    site: str = setting("site", "Site's id in MQTT topics: letters, digits, `-` and `_`.")
    door: str = setting("door", "This door's id in MQTT topics, unique in the site.")
    timezone: str = setting("UTC", "IANA time zone of the site, such as `Europe/Berlin`. Schedules and pages use it.")


@dataclass(frozen=True, slots=True)
class PathsConfig:
    """Where things are kept."""

    state: str = setting("/var/lib/lintel", "Directory of the database and the device key file.")
    run: str = setting("/run/lintel", "Directory of sockets and status files; on tmpfs.")
    models: str = setting("", "Directory of models/manifest.toml; empty: the one installed with the package.")


@dataclass(frozen=True, slots=True)
class DoorConfig:
    """How the door behaves."""

    lock: str = setting(
        "fail_secure",
        "`fail_secure`: the coil opens the door (strike). `fail_safe`: the coil holds it shut (maglock).",
        choices=("fail_secure", "fail_safe"),
    )
    unlock_seconds: float = setting(
        5.0, "How long a grant releases the lock. EN 60839-11-1 asks for 3.", low=3, high=60
    )
    extended_unlock_seconds: float = setting(
        20.0, "The same for people marked as needing longer (ADA 404).", low=5, high=60
    )
    held_seconds: float = setting(30.0, "How long the door may stand open before the held alarm.", low=5, high=600)
    relock_on_close: bool = setting(True, "Lock as soon as the contact closes, before unlock_seconds are over.")


@dataclass(frozen=True, slots=True)
class PinsConfig:
    """GPIO lines, in Broadcom numbering. -1 means not wired."""

    driver: str = setting(
        "gpiozero", "`gpiozero` for real pins, `mock` for a simulated door.", choices=("gpiozero", "mock")
    )
    relay: int = setting(17, "Line of the lock's relay.", low=0, high=53)
    relay_active_high: bool = setting(True, "Whether a high level energises the relay's coil.")
    rex: int = setting(27, "Line of the request-to-exit button; pressed pulls it to ground.", low=-1, high=53)
    contact: int = setting(22, "Line of the door contact; a closed door pulls it to ground.", low=-1, high=53)
    tamper: int = setting(-1, "Line of the case's tamper switch; a closed case pulls it to ground.", low=-1, high=53)
    fire: int = setting(-1, "Line of the fire alarm's relay; an open (or cut) line releases the door.", low=-1, high=53)
    green: int = setting(-1, "Line of a green lamp beside the door; high lights it.", low=-1, high=53)
    red: int = setting(-1, "Line of a red lamp; high lights it.", low=-1, high=53)
    buzzer: int = setting(-1, "Line of a buzzer; high sounds it.", low=-1, high=53)


@dataclass(frozen=True, slots=True)
class KeypadConfig:
    """Where PINs are typed."""

    source: str = setting(
        "none",
        "`none`, `evdev` (a USB keypad) or `terminal` (simulation).",
        choices=("none", "evdev", "terminal"),
    )
    device: str = setting("", "Input device of the keypad, such as `/dev/input/by-id/usb-…-event-kbd`.")
    idle_seconds: float = setting(10.0, "Digits typed are forgotten after this pause.", low=2, high=60)


@dataclass(frozen=True, slots=True)
class WiegandConfig:
    """A card reader on two GPIO lines, or this appliance as the reader of another panel. -1 means not wired."""

    d0: int = setting(-1, "Line of the reader's D0, through a level shifter: it idles at 5 V.", low=-1, high=53)
    d1: int = setting(-1, "Line of the reader's D1.", low=-1, high=53)
    out_d0: int = setting(-1, "Line to another panel's D0: whoever is let in, their card is sent.", low=-1, high=53)
    out_d1: int = setting(-1, "Line to another panel's D1.", low=-1, high=53)


@dataclass(frozen=True, slots=True)
class OsdpConfig:
    """A card reader, perhaps with a keypad, on an RS-485 line. Its secure channel is always on."""

    device: str = setting("", "Serial line of the reader, such as `/dev/serial/by-id/usb-…`; empty: none.")
    baud: int = setting(9600, "Its speed: 9600, 19200, 38400, 57600 or 115200.", low=9600, high=115200)
    address: int = setting(0, "The reader's address on the line.", low=0, high=126)
    key_file: str = setting("", "File with the reader's own key (SCBK) as 32 hex digits, mode 0600.")


@dataclass(frozen=True, slots=True)
class PassesConfig:
    """Visitors' passes: QR codes shown to the camera."""

    camera: bool = setting(False, "Read passes shown to the camera, while no face is near.")
    stride: int = setting(10, "Look for a pass on every n-th frame.", low=1, high=120)


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """Where light comes in."""

    source: str = setting(
        "picamera2",
        "`picamera2`, `v4l2` (a USB camera), `replay` (files) or `visitors` (simulated).",
        choices=("picamera2", "v4l2", "replay", "visitors"),
    )
    device: str = setting("/dev/video0", "V4L2 device; used by `v4l2`.")
    path: str = setting("", "A picture folder or a video file; used by `replay`.")
    number: int = setting(0, "Which camera, as libcamera numbers them; used by `picamera2`.", low=0, high=7)
    width: int = setting(640, "Frame width in pixels.", low=320, high=1920)
    height: int = setting(480, "Frame height in pixels.", low=240, high=1080)
    rate: float = setting(30.0, "Frames per second asked of the camera.", low=5, high=60)
    format: str = setting("NV12", "Pixel format asked of libcamera.", choices=("NV12", "RGB888"))
    realtime: bool = setting(True, "Pace `replay` as recorded; false: as fast as it is read.")
    stall_seconds: float = setting(2.0, "No new frame for this long means the camera has stalled.", low=0.5, high=30)


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """When a face is someone."""

    target_fpir: float = setting(
        1e-4, "Accepted rate at which one stranger's attempt matches anyone enrolled.", low=1e-6, high=1e-2
    )
    margin: float = setting(0.05, "Least distance in cosine to the second-best person.", low=0.0, high=0.5)
    near_face_px: int = setting(
        130, "Narrowest face, in pixels, that counts as standing at the door.", low=80, high=600
    )
    votes: int = setting(3, "Frames that must name the same person (k of n).", low=2, high=15)
    window: int = setting(5, "Frames that a vote may span (n).", low=3, high=30)
    rest_seconds: float = setting(
        4.0, "After a decision the same face rests this long or until it leaves.", low=1, high=60
    )
    idle_stride: int = setting(3, "With nobody there, run the detector on every n-th frame.", low=1, high=30)
    threads: int = setting(1, "Threads of the model runtime.", low=1, high=4)


@dataclass(frozen=True, slots=True)
class LivenessConfig:
    """How hard to look for prints and screens."""

    passive_threshold: float = setting(
        0.7, "Median of the passive network below which it is an attack.", low=0.5, high=0.99
    )
    passive_frames: int = setting(5, "Frames in that median.", low=5, high=30)
    surround: bool = setting(True, "Compare motion of the face and its surround. Only for a camera that is fixed.")


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker that events go to."""

    host: str = setting("", "Broker's host name; empty: no MQTT.")
    port: int = setting(8883, "Broker's port.", low=1, high=65535)
    tls: bool = setting(True, "TLS 1.3. Without it only a broker on this machine is allowed.")
    ca: str = setting("", "CA certificate file (PEM) of the broker; empty: the system's.")
    cert: str = setting("", "This door's client certificate file (PEM).")
    key: str = setting("", "Its private key file (PEM).")
    username: str = setting("", "User name, for a broker without client certificates.")
    password_file: str = setting("", "File with the password.")
    keepalive_seconds: int = setting(20, "Silence after which the broker calls this door lost.", low=5, high=600)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The page."""

    host: str = setting("127.0.0.1", "Address to listen on; loopback only until accounts and TLS are set up.")
    port: int = setting(8480, "Port to listen on; 0: any free one.", low=0, high=65535)


@dataclass(frozen=True, slots=True)
class ScreenConfig:
    """The visitor's screen beside the door, the page `/door`."""

    language: str = setting(
        "en", "Language it starts in; a visitor may choose another.", choices=("de", "en", "es", "fr", "tr")
    )
    theme: str = setting(
        "system", "Light, dark, or as the screen's system is set.", choices=("dark", "light", "system")
    )
    answer_seconds: float = setting(5.0, "How long an answer stays, then it is forgotten.", low=3, high=20)
    sound: bool = setting(True, "Tones and spoken prompts. A visitor may mute them until the screen is idle again.")
    help: bool = setting(True, "Offer a button that calls for help: an event in the record, sent to the hosts.")
    help_text: str = setting("", "Another way to get help, such as a telephone number; at most 80 characters.")
    notice_url: str = setting(
        "", "Address of the site's privacy notice, shown as a QR code; at most 200 characters; empty: none."
    )


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How long the record lasts."""

    events_days: int = setting(90, "Events older than this are deleted once delivered.", low=1, high=1095)
    outbox_mb: int = setting(64, "Size at which undelivered events are thinned.", low=8, high=1024)


@dataclass(frozen=True, slots=True)
class UsersConfig:
    """System users whose datagrams the door believes. Empty: the user that runs the door."""

    vision: str = setting("", "User of the vision process, normally `lintel-vision`.")
    net: str = setting("", "User of the net process, normally `lintel-net`.")


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
    lines = [n for n in (getattr(config.pins, key) for key in PINS) if n >= 0]
    if len(set(lines)) != len(lines):
        raise ConfigError(f"pins: lines {sorted(lines)} repeat; each of {', '.join(PINS)} needs its own")
    _check_wiegand(config.wiegand, lines)
    if config.osdp.baud not in (9600, 19200, 38400, 57600, 115200):
        raise ConfigError(f"osdp.baud = {config.osdp.baud}: must be 9600, 19200, 38400, 57600 or 115200")
    if config.osdp.device and not config.osdp.key_file:
        raise ConfigError("osdp.key_file: a reader is believed by its key only; name the file that holds it")
    mqtt = config.mqtt
    if mqtt.host and not mqtt.tls and mqtt.host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(f"mqtt.tls = false: only for a broker on this machine, not {mqtt.host!r}; set tls = true")
    if bool(mqtt.cert) != bool(mqtt.key):
        raise ConfigError("mqtt.cert and mqtt.key: set both or neither")


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


def _literal(value: Any) -> str:
    """JSON's text, number and bool literals are TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
