"""`lintel run`: the three daemons in one terminal, with a live view; or headless for N seconds."""

import argparse
import fcntl
import json
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from appliance import config as settings
from appliance.commands.session import Session
from appliance.commands.simulation import enrol_resident
from appliance.commands.summary import summarise
from appliance.commands.terminal import show
from appliance.config import Config
from appliance.errors import ConfigError, LintelError
from appliance.settings import CameraConfig

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
START_SECONDS = 60.0
"""A slow board needs about ten to load its models; past this something is broken."""
PORTS_TRIED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lintel run`."""
    parser.add_argument(
        "--camera", metavar="WHAT", help="/dev/videoN, picamera2, visitors, or a video file or picture folder"
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="stop after N seconds, counted from when all is up")
    parser.add_argument("--json", action="store_true", help="no live view; a JSON summary as the last line")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep database, key and sockets in DIR instead")
    parser.add_argument("--port", type=int, metavar="N", help="port of the page (0: any free one)")


def run(args: argparse.Namespace, config: Config) -> int:
    """Start, show, stop.

    Raises ConfigError, StoreError, KeyFileError, ModelError, EnrolmentError: before anything is started.
    Raises LintelError: a daemon did not come up.
    """
    config = _with_options(args, config)
    with _only_one(Path(config.paths.run)), _stop_on_signals() as stopping:
        pin = enrol_resident(config) if config.camera.source == "visitors" else None
        file = Path(config.paths.run, "run.toml")
        file.write_text(settings.dump(config), encoding="utf-8")
        session = Session(config, file, pin, echo_log=args.json)
        try:
            session.start()
            turns = _turns(session, stopping, args.seconds)
            if not args.json:
                show(session, turns)
                return 0
            for wait in turns:
                time.sleep(wait)
            session.stop()
            print(json.dumps(summarise(session.events(), session.peak_mb())), flush=True)
            return 0
        finally:
            session.stop()


def _turns(session: Session, stopping: Callable[[], bool], seconds: float | None) -> Iterator[float]:
    """Seconds to wait, again and again, until the run is over. Raises LintelError: a daemon never came up."""
    late, end, up = time.monotonic() + START_SECONDS, float("inf"), False
    while not stopping() and (now := time.monotonic()) < end:
        session.tick(now)
        if not up and session.up():
            up = True
            log.info("all up; the page is %s", session.url)
            end = now + seconds if seconds is not None else end
        if not up and now > late:
            missing = ", ".join(session.missing())
            raise LintelError(f"not up after {START_SECONDS:g} s: {missing}; `lintel doctor` may tell why")
        yield TICK_SECONDS


def _with_options(args: argparse.Namespace, config: Config) -> Config:
    if args.seconds is not None and not 1 <= args.seconds <= 86400:
        raise ConfigError(f"--seconds {args.seconds:g}: must be 1 to 86400")
    if args.state is not None:
        state = args.state.absolute()
        paths = replace(config.paths, state=str(state / "state"), run=str(state / "run"))
        config = replace(config, paths=paths)
    if args.camera is not None:
        config = replace(config, camera=_camera(args.camera, config.camera))
    port = args.port if args.port is not None else config.web.port
    # A second appliance on one laptop, or another program's port, must not stop a demo.
    if args.port is None and not args.config_files:
        port = _free_port(config.web.host, port)
    config = replace(config, web=replace(config.web, port=port))
    return settings.from_mapping(settings.to_mapping(config))  # the same bounds as in a file


def _camera(what: str, camera: CameraConfig) -> CameraConfig:
    if what in ("picamera2", "visitors"):
        return replace(camera, source=what)
    if what.startswith("/dev/"):
        return replace(camera, source="v4l2", device=what)
    if Path(what).exists():
        return replace(camera, source="replay", path=str(Path(what).absolute()))
    raise ConfigError(f"--camera {what}: no such file; give /dev/videoN, picamera2, visitors, a video or a folder")


def _free_port(host: str, port: int) -> int:
    for candidate in range(port, port + PORTS_TRIED):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return 0


@contextmanager
def _only_one(run: Path) -> Iterator[None]:
    """Two supervisors over one state would fight for the sockets."""
    try:
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (run / "run.lock").open("w")
    except OSError as error:
        raise LintelError(f"{run} cannot be used: {error.strerror}; name another folder with --state DIR") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LintelError(f"lintel already runs over {run}; stop it, or name another folder: --state DIR") from None
        yield


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM end the run after the current tick; the children are stopped in order."""
    seen: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _frame: seen.append(n)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
