"""The pinned set for a 64-bit ARM board under qemu-user: the models' numbers, and the door's daemon on mock pins.

It shows that the wheels load and compute the same there, not how fast a board is.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system.manifest import folder
from appliance.vision import models
from tests.beds import arm64
from tests.beds.door import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(arm64.missing()), reason=arm64.missing()),
]

GOLDEN = """
import json, platform
from appliance.vision import models
folder = models.models_dir()
loaded = [models.load(name) for name in models.Manifest.read(folder / "manifest.toml").slots]
agreement = {model.slot.name: models.golden_agreement(model, folder) for model in loaded}
print(json.dumps({"machine": platform.machine(), "runtime": loaded[0].runtime, "agreement": agreement}))
"""
IMPORTS = "import platform, appliance.daemons.{0}; print(platform.machine())"


@pytest.mark.parametrize("name", ["door", "vision", "net"])
def test_every_daemon_finds_all_it_imports(name: str) -> None:
    assert arm64.run(IMPORTS.format(name)).split() == ["aarch64"]


def test_every_model_agrees_with_its_golden_vectors() -> None:
    said = json.loads(arm64.run(GOLDEN))
    print(said)

    assert said["machine"] == "aarch64"
    assert said["runtime"].startswith("ai-edge-litert ")
    assert said["agreement"].keys() == models.Manifest.read(folder("") / "manifest.toml").slots.keys()
    assert min(said["agreement"].values()) > models.GOLDEN_COSINE


@pytest.fixture
def door(tmp_path: Path) -> Iterator[arm64.ArmDoor]:
    door = arm64.ArmDoor(tmp_path / "door")
    yield door
    door.close()


def test_a_door_decides_about_a_face_and_a_stranger(door: arm64.ArmDoor) -> None:
    """The people are enrolled, and the evidence sent, from this machine's architecture: file and wire are the same."""
    pid, _ = door.enrol()
    door.spawn()
    eventually(lambda: door.status and door.status["roster"] is not None, 300, "roster")
    eventually(door.socket.exists, 30, "doorline")

    door.sender.send(door.match("nobody"))
    eventually(lambda: "not_enrolled" in door.whys(), 60, "refusal")
    assert not any(energised for _, energised in door.edges)

    door.sender.send(door.match(pid))
    door.await_release(60)
    granted = [event for event in door.events() if event.why == "granted"]
    assert [event.person for event in granted] == [pid]
    door.await_rest(60)
    assert door.stop() == 0
