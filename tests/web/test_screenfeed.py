"""What feeds the screen: read when there is news, judged again as time passes, held up by no other reader."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from appliance.daemons.visitor import screen_reader, screen_stamp
from appliance.settings import ScreenConfig
from appliance.system.status import write_atomically
from appliance.web.screenfeed import ANYWAY_SECONDS, ScreenFeed
from appliance.web.visitor import Visitor
from tests.web import screens, states


class World:
    def __init__(self) -> None:
        self.status = screens.SCREENS["idle"]()
        self.now, self.stamp, self.reads = states.MONO, 0, 0
        visitor = Visitor(ScreenConfig(answer_seconds=3), stamp=lambda: self.stamp)
        self.feed = ScreenFeed(visitor, self.read, lambda: self.now, 0)

    def read(self) -> states.Statuses:
        self.reads += 1
        return self.status

    async def shown(self) -> Any:
        return json.loads((await self.feed.messages())["screen"])["show"]


def test_it_reads_on_news_and_now_and_then_anyway() -> None:
    async def run() -> None:
        world = World()
        assert [await world.shown() for _ in range(5)] == ["idle"] * 5
        assert world.reads == 1
        world.status = screens.SCREENS["face_refused"]()
        assert await world.shown() == "idle"
        world.stamp += 1
        assert await world.shown() == "face_refused"
        world.now += ANYWAY_SECONDS
        assert await world.shown() == "face_refused"
        assert world.reads == 3
        world.now += 2.5  # the answer is 3 s old now, and is forgotten without any news
        assert await world.shown() == "idle"
        world.feed.close()

    asyncio.run(run())


def test_a_status_written_anew_is_news(tmp_path: Path) -> None:
    stamp, read = screen_stamp(tmp_path), screen_reader(tmp_path)
    assert read() == {"door": None, "vision": None}
    seen = [stamp()]
    for name in ("door", "door", "vision"):
        write_atomically(tmp_path / name / "status.json", b'{"at": 1}')
        seen.append(stamp())
    assert len(set(seen)) == len(seen)
    assert stamp() == seen[-1]
    assert read()["vision"] == {"at": 1}


def test_a_look_for_news_costs_next_to_nothing(tmp_path: Path) -> None:
    stamp = screen_stamp(tmp_path)
    for name in ("door", "vision"):
        write_atomically(tmp_path / name / "status.json", b"{}")
    began = time.process_time()
    for _ in range(200):
        stamp()
    assert (time.process_time() - began) / 200 < 0.002, os.uname().machine
