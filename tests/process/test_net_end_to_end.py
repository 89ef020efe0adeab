"""From a face before the camera to a subscriber at a broker: `lintel run`, simulated visitors, real everything else."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from beds.broker import SITE, Host, Mosquitto, needs_mosquitto, wait_for
from beds.contract import chain_breaks, channel_of, faults

from appliance.config import dump, embedded
from appliance.settings import PathsConfig, SiteConfig, WebConfig


@needs_mosquitto
def test_a_face_opens_the_door_and_the_site_hears_of_it(tmp_path: Path) -> None:
    for folder in ("mosquitto", "state"):
        (tmp_path / folder).mkdir()
    mosquitto = Mosquitto(tmp_path / "mosquitto")
    mosquitto.start()
    host = Host(mosquitto)
    config = replace(
        embedded(),
        site=SiteConfig(site=SITE, door="door-1"),
        paths=PathsConfig(state=str(tmp_path / "state"), run=str(tmp_path / "run")),
        mqtt=mosquitto.config(),
        web=WebConfig(port=0),
    )
    (tmp_path / "lintel.toml").write_text(dump(config))
    with (tmp_path / "log").open("wb") as log:
        appliance = subprocess.Popen(
            [sys.executable, "-m", "appliance", "--config", str(tmp_path / "lintel.toml"), "run"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        wait_for(lambda: told(host, "access", "granted"), 90, "a grant")
        wait_for(lambda: told(host, "door", "unlocked"), 10, "a release")
        wait_for(lambda: any(h.body["state"] == "UNLOCKED" for h in host.on("up/state")), 10, "the state")
        appliance.send_signal(signal.SIGINT)
        assert appliance.wait(20) == 0
        wait_for(lambda: host.on("up/conn")[-1].body["st"] == "closing", 10, "the farewell")
    finally:
        appliance.kill()
        appliance.wait()
        host.close()
        mosquitto.stop()
    for heard in host.heard:
        assert faults(channel_of(heard.topic), heard.body) == [], heard
    assert chain_breaks(heard.body for heard in host.events()) == []


def told(host: Host, kind: str, why: str) -> bool:
    return any(heard.body["why"] == why for heard in host.on(f"evt/{kind}"))
