"""The whole appliance in its own folders, started as `lintel run` starts it; the test types and looks."""

import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from appliance import config as settings
from appliance.commands.session import Session
from appliance.commands.simulation import enrol_resident


class Rig:
    """One running appliance."""

    def __init__(self, folder: Path, **sections) -> None:
        base = settings.embedded()
        paths = {"state": str(folder / "state"), "run": str(folder / "run")} | sections.pop("paths", {})
        enrolled = replace(base, paths=replace(base.paths, state=paths["state"], run=paths["run"]))
        (folder / "run").mkdir()
        self.pin = enrol_resident(enrolled)
        changed = {name: replace(getattr(base, name), **values) for name, values in sections.items()}
        self.config = replace(base, paths=replace(base.paths, **paths), web=replace(base.web, port=0), **changed)
        file = folder / "run.toml"
        file.write_text(settings.dump(self.config))
        self.session = Session(self.config, file, None, echo_log=False)
        self.session.start()

    @property
    def children(self):
        return self.session.supervisor.children

    def status(self, name):
        return self.session.statuses[name] or {}

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {seconds} s; log: {self.session.log.latest(30)}"
            self.session.tick(time.monotonic())
            time.sleep(0.02)

    def pause(self, seconds):
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, seconds + 5, "pause")

    def count(self, **wanted):
        return sum(all(event[key] == value for key, value in wanted.items()) for event in self.session.events())

    def at_rest(self):
        """Every release that was recorded has ended. The status alone may lag behind the record."""
        unlocked, locked = (self.count(type="door", why=why) for why in ("unlocked", "locked"))
        return unlocked == locked and self.status("door").get("state") == "LOCKED"

    def type_pin(self):
        """Type the resident's PIN and wait until the door is unlocked."""
        before = self.count(type="access", why="granted", by="pin")
        self.session.supervisor.type_keys(f"{self.pin}#")
        self.until(lambda: self.count(type="access", why="granted", by="pin") > before, 8, "PIN")
        self.until(lambda: self.count(type="door", why="unlocked") > 0, 8, "release")

    def press_rex(self):
        """Press the way-out button of a shut door and wait until its lock is released."""
        self.until(self.at_rest, 20, "relock")
        before = self.count(type="door", why="unlocked", by="rex")
        self.session.supervisor.type_keys("r")
        self.until(lambda: self.count(type="door", why="unlocked", by="rex") > before, 8, "way out")


@contextmanager
def running(folder: Path, **sections):
    """A rig that is stopped in the end. `sections`: settings other than the embedded ones, a dict a section."""
    rig = Rig(folder, **sections)
    try:
        yield rig
    finally:
        rig.session.stop()
