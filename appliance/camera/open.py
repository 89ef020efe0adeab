"""From the settings to a camera: one line a source."""

from pathlib import Path

from appliance.camera.source import Camera
from appliance.camera.watch import WatchedCamera
from appliance.errors import CameraError
from appliance.settings import CameraConfig


def open_camera(config: CameraConfig) -> Camera:
    """The camera that `config.source` names. Each adapter is loaded only when it is the one.

    Raises CameraError.
    """
    match config.source:
        case "picamera2":
            try:
                from appliance.camera.pi import PiCamera  # noqa: PLC0415
            except ImportError as error:
                raise CameraError(
                    f"camera.source = picamera2, but {error.name or error} is missing: on Raspberry Pi OS "
                    "`sudo apt install python3-libcamera` and install lintel[pi]; elsewhere use v4l2"
                ) from None

            return PiCamera(config.number, config.width, config.height, config.rate, form=config.format)
        case "v4l2":
            from appliance.camera.v4l2 import UsbCamera  # noqa: PLC0415

            return UsbCamera(Path(config.device), config.width, config.height, config.rate)
        case "visitors":
            from appliance.camera.visitors import Visitors  # noqa: PLC0415

            return Visitors(config.width, config.height, config.rate, config.realtime)
        case "replay":
            from appliance.camera.replay import Folder, Video  # noqa: PLC0415

            path = Path(config.path)
            if path.is_dir():
                return Folder(path, config.rate, config.realtime, loop=True)
            return Video(path, config.realtime, loop=True)
    raise CameraError(f"camera.source = {config.source!r} is unknown")


def open_watched(config: CameraConfig, name: str) -> WatchedCamera:
    """The same, with its frames judged. `name`: what messages call it. Raises CameraError."""
    size, replayed = (config.width, config.height), config.source == "replay"
    return WatchedCamera(open_camera(config), name, *size, config.stall_seconds, any_size=replayed)
