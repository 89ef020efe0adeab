"""A site for a test: a real broker, a host that listens, doors with an uplink each."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from beds.broker import Host, Mosquitto

from appliance.settings import MqttConfig
from tests.fleet.fleet_rig import Door


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def host(mosquitto: Mosquitto) -> Iterator[Host]:
    listener = Host(mosquitto)
    yield listener
    listener.close()


@pytest.fixture
def door_of(tmp_path: Path) -> Iterator[Callable[..., Door]]:
    made: list[Door] = []

    def make(config: MqttConfig, name: str = "door-1", **options: Any) -> Door:
        made.append(Door(tmp_path / f"{name}-{len(made)}", config, name, **options))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def door(mosquitto: Mosquitto, door_of: Callable[..., Door]) -> Door:
    return door_of(mosquitto.config())
