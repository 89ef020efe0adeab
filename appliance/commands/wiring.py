"""`lintel doctor` on what hangs on the machine: lock, keypad, camera, broker."""

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.commands import gpiolines
from appliance.commands.checks import AS_ROOT, SILENT_SECONDS, heard
from appliance.commands.finding import Finding, broken, fail, ok, warn
from appliance.door.keypad import library as evdev_library
from appliance.errors import BrokerError, CameraError, KeypadError
from appliance.facts import Frame
from appliance.fleet import topics
from appliance.fleet.broker import Broker, Will
from appliance.settings import CameraConfig, KeypadConfig, MqttConfig, PinsConfig, SiteConfig

BOOT_CONFIG = Path("/boot/firmware/config.txt")
CAMERA_SECONDS = 15.0
"""A camera module needs a few to start; a capture can also hang for good."""


def fresh(run: Path, name: str) -> dict[str, Any] | None:
    """The status of a daemon that spoke lately."""
    status, age = heard(run, name)
    return status if age <= SILENT_SECONDS else None


def door(pins: PinsConfig, run: Path) -> Iterator[Finding]:
    """The relay's line and the inputs. Asks for no line, so nothing moves."""
    if pins.driver == "mock":
        yield warn("lock", "simulated: no lock is driven", 'wire the relay, then set pins.driver = "gpiozero"')
        return
    try:
        chip = gpiolines.header_chip()
        if chip is None:
            yield fail("lock", "no GPIO header found", 'use a Raspberry Pi 4 or 5, or set pins.driver = "mock"')
            return
        relay = gpiolines.line(chip, pins.relay)
    except OSError as error:
        yield fail("lock", f"{error.filename or 'GPIO'}: {error.strerror}", AS_ROOT)
        return
    held = fresh(run, "door") is not None
    if relay.used and not held:
        yield fail(
            "lock", f"line {pins.relay} is in use by {relay.consumer!r}", "stop that, or choose another pins.relay"
        )
    elif held and not relay.output:
        yield fail("lock", f"the door runs, but line {pins.relay} is no output", "sudo systemctl restart lintel-door")
    else:
        yield ok("lock", f"line {pins.relay} of {chip.name}: {'held by the door' if held else 'free'}")
    if pins.rex < 0:
        yield warn("exit", "no exit button is wired", "wire one, or be sure that the lock opens from inside by itself")


def boot_lines(pins: PinsConfig, path: Path = BOOT_CONFIG) -> Iterator[Finding]:
    """The boot firmware holds the same line at rest, and the kernel lets go of a killed process's line."""
    if pins.driver == "mock" or not path.exists():
        return
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        yield fail("boot", f"{path}: {error.strerror}", AS_ROOT)
        return
    wanted = f"gpio={pins.relay}=op,{'dl' if pins.relay_active_high else 'dh'}"
    lines = [line.strip() for line in text.splitlines()]
    if wanted not in lines:
        others = [line for line in lines if re.match(rf"gpio=([\d,-]+,)?{pins.relay}\b", line)]
        instead = f"has {others[-1]}" if others else f"does not name line {pins.relay}"
        yield fail("boot", f"{path} {instead}: the lock may open at power-on", f"put {wanted} there; reboot")
    elif not {"dtparam=strict_gpiod", "dtparam=strict_gpiod=on"} & set(lines):
        yield fail("boot", f"{path} has no dtparam=strict_gpiod: a killed door may stay open", "add that line; reboot")
    else:
        yield ok("boot", f"{wanted}, strict_gpiod")


def keypad(config: KeypadConfig) -> Iterator[Finding]:
    """Where PINs are typed."""
    if config.source == "none":
        yield ok("keypad", "none; PINs only on the door screen")
    elif config.source == "terminal":
        yield warn("keypad", "simulated, in the terminal", 'plug one in, then set keypad.source = "evdev"')
    elif config.device and not Path(config.device).exists():
        yield fail("keypad", f"{config.device} is not there", "plug it in; ls /dev/input/by-id/ tells the names")
    elif config.device and not os.access(config.device, os.R_OK):
        yield fail("keypad", f"{config.device} may not be read", AS_ROOT)
    else:
        yield _usb(config)


def _usb(config: KeypadConfig) -> Finding:
    try:
        evdev_library()
    except KeypadError as error:
        return broken("keypad", error)
    return ok("keypad", config.device or "the first USB keypad found")


def camera(config: CameraConfig, run: Path, seconds: float = CAMERA_SECONDS) -> Iterator[Finding]:
    """A frame arrives. While vision holds the camera, its word is taken."""
    if status := fresh(run, "vision"):
        seen = str(status.get("camera"))
        if seen == "ok":
            yield ok("camera", f"in use by vision, {float(status.get('fps') or 0):.0f} frames a second")
        else:
            yield fail("camera", f"vision says: {seen}", "look at the lens and the cable")
        return
    started = time.monotonic()
    result = first_frame(config, seconds)
    if isinstance(result, Frame):
        height, width = result.pixels.shape[:2]
        source = f"{config.source}: {width}x{height} after {time.monotonic() - started:.1f} s"
        if config.source in ("replay", "visitors"):
            yield warn("camera", f"{source}, simulated", 'set camera.source = "picamera2" or "v4l2"')
        else:
            yield ok("camera", source)
    elif result is None:
        yield fail(
            "camera", f"no frame within {seconds:.0f} s", "check the cable, both ends; another program may hold it"
        )
    else:
        yield broken("camera", result)


def first_frame(config: CameraConfig, seconds: float) -> Frame | CameraError | None:
    """The first frame, the error, or None if neither came in time: a capture can hang for good."""
    found: list[Frame | CameraError] = []

    def look() -> None:
        from appliance.camera.open import open_camera  # noqa: PLC0415 - loads OpenCV or libcamera

        try:
            source = open_camera(config)
            try:
                found.append(next(iter(source.frames())))
            finally:
                source.close()
        except CameraError as error:
            found.append(error)
        except StopIteration:
            found.append(CameraError(f"camera.source = {config.source}: it ended without a frame; check camera.path"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None


def broker(config: MqttConfig, site: SiteConfig, run: Path) -> Iterator[Finding]:
    """It answers and takes this door. While net is connected, its word is taken: one id, one connection."""
    place = f"{config.host}:{config.port}"
    if not config.host:
        yield ok("broker", "off; events stay on this machine")
        return
    status = fresh(run, "net")
    if status and status.get("mqtt") == "online":
        yield ok("broker", f"{place}: online, {status.get('outbox')} events to deliver")
        return
    names = topics.Names(site.site, site.door)
    client = Broker(config, f"{site.site}-{site.door}")
    try:
        client.connect(Will(names.conn, topics.encode(topics.conn("lost", 0))), (names.ack,))
        client.close()
    except BrokerError as error:
        yield broken("broker", error)
    else:
        yield ok("broker", f"{place}: answers{', TLS' if config.tls else ''}, takes this door")
