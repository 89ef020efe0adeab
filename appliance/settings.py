"""The tables of settings: one frozen dataclass a section, each field with its bounds and its sentence.

docs/configuration.md is made of them; `config.py` reads files into them.
"""

from dataclasses import dataclass, field
from typing import Any


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
class OsdpOutConfig:
    """This appliance as the OSDP reader of somebody else's panel: whoever is let in, their card is sent."""

    device: str = setting("", "Serial line to the panel, such as `/dev/serial/by-id/usb-…`; empty: none.")
    baud: int = setting(9600, "Its speed: 9600, 19200, 38400, 57600 or 115200.", low=9600, high=115200)
    address: int = setting(0, "This appliance's address on the line.", low=0, high=126)
    key_file: str = setting("", "File with the key (SCBK) the panel knows, as 32 hex digits, mode 0600.")


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """What the rules ask. Schedules, holidays, visitors and modes are in the store (`lintel rules`)."""

    clock_unknown: str = setting(
        "deny",
        "People with hours while nobody knows the time: `deny`, or `two_factor`. 24/7 people enter anyhow.",
        choices=("deny", "two_factor"),
    )
    factor_seconds: float = setting(12.0, "Within this the second factor must follow the first.", low=10, high=15)
    passback: str = setting(
        "off", "Anti-passback: `off`, `timed` or `zone` (a reader on each side).", choices=("off", "timed", "zone")
    )
    exit_reader: str = setting(
        "",
        "Reader or keypad on the inside: a card or PIN there lets its owner out and counts as leaving. Empty: none.",
        choices=("", "keypad", "wiegand", "osdp"),
    )
    passback_hard: bool = setting(True, "True refuses whoever passes back; false lets them in and tells security.")
    passback_seconds: float = setting(60.0, "Timed: nobody enters twice within this.", low=5, high=86400)
    passback_forget_hours: float = setting(
        12.0, "By zone: whoever was not seen for this long may be anywhere.", low=1, high=168
    )


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
    dwell_seconds: float = setting(
        0.15, "How long a face must be near and look at the camera before it is asked.", low=0.0, high=3.0
    )
    gaze_degrees: float = setting(
        20.0, "How far a head may be turned from the camera and still be asking.", low=8, high=35
    )
    rest_seconds: float = setting(
        4.0, "After a decision the same face rests this long or until it leaves.", low=1, high=60
    )
    rest_longest_seconds: float = setting(
        120.0, "A face that stays rests twice as long each time, up to this.", low=4, high=900
    )
    idle_stride: int = setting(3, "With nobody there, run the detector on every n-th frame.", low=1, high=30)
    threads: int = setting(1, "Threads of the model runtime.", low=1, high=4)


@dataclass(frozen=True, slots=True)
class LivenessConfig:
    """How hard to look for prints and screens."""

    level: str = setting(
        "standard",
        "Layers that must speak: `standard` the passive network; `high` a head turn too; `strict` every layer.",
        choices=("standard", "high", "strict"),
    )
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
    commands_key: str = setting(
        "", "File with the Ed25519 public key (PEM) whose signed commands are obeyed; empty: none are."
    )
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
