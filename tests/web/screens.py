"""States of the visitor's screen, and a server that shows them: `python -m tests.web.screens [STATE] [PORT]`."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from appliance.settings import ScreenConfig
from appliance.web.app import build_app
from appliance.web.server import PageServer, make_server
from appliance.web.visitor import Means, Visitor
from tests.web import states
from tests.web.demo import SITE

CONFIG = ScreenConfig(notice_url="https://example.org/privacy", help_text="Reception: 030 1234-0")


def answered(why: str, by: str = "face", state: str = "LOCKED", **more: Any) -> states.Statuses:
    answer = {"n": 7, "at": states.MONO - 1, "why": why, "by": by, "until": None} | more
    return {"door": states.door(state, 1.0, answer=answer), "vision": states.vision("resting")}


def hinted(hint: str, stage: str = "near") -> states.Statuses:
    return {"door": states.door(), "vision": states.vision(stage, hint=hint, **states.SEEN)}


def door(state: str, **more: Any) -> states.Statuses:
    return {"door": states.door(state, 40, **more), "vision": states.vision()}


def asked(turn: str, n: int) -> states.Statuses:
    """A turn of the head is wanted."""
    challenge = {"turn": turn, "n": n, "of": 3, "until": states.MONO + 4}
    return {"door": states.door(), "vision": states.vision("checking", challenge=challenge, **states.SEEN)}


FACTORS = {"pin": ["pin"], "card": ["card"], "face": ["face"], "either": ["pin", "card"]}
HINTS = (
    "come_closer",
    "step_back",
    "look_straight",
    "hold_still",
    "more_light",
    "less_light",
    "lower_mask",
    "uncover_face",
    "one_person",
)
SCREENS: Mapping[str, Callable[[], states.Statuses]] = {
    "idle": lambda: door("LOCKED"),
    **{hint: (lambda hint=hint: hinted(hint)) for hint in HINTS},
    "checking": lambda: {"door": states.door(), "vision": states.vision("checking", **states.SEEN)},
    "welcome": lambda: answered("granted", state="UNLOCKED"),
    "face_refused": lambda: answered("unknown_face"),
    "face_paused": lambda: answered("locked_out", until=states.MONO + 95),
    "pin_refused": lambda: answered("unknown_pin", "pin"),
    "pin_paused": lambda: {
        "door": states.door(
            answer={"n": 8, "at": states.MONO - 1, "why": "locked_out", "by": "pin", "until": states.MONO + 29},
            screen_until=states.MONO + 29,
        ),
        "vision": states.vision(),
    },
    "pass_refused": lambda: answered("unknown_card", "card"),
    "not_allowed": lambda: answered("expired"),
    **{f"then_{word}": (lambda needs=needs: answered("second_factor", needs=needs)) for word, needs in FACTORS.items()},
    **{f"use_{word}": (lambda needs=needs: answered("wrong_factor", needs=needs)) for word, needs in FACTORS.items()},
    "escort_missing": lambda: answered("escort_missing"),
    "outside_hours": lambda: answered("outside_hours"),
    "door_closed": lambda: answered("door_locked"),
    "ask_help": lambda: answered("blocked"),
    "passed_back": lambda: answered("passed_back"),
    "free": lambda: door("UNLOCKED", free=True),
    "turn_left": lambda: asked("left", 1),
    "turn_right": lambda: asked("right", 2),
    "lockdown": lambda: door("LOCKDOWN"),
    "face_off": lambda: door("LOCKED", vision="blind"),
    "out_of_service": lambda: {"door": None, "vision": None},
    "held": lambda: door("HELD", contact="open"),
    "forced": lambda: door("FORCED", contact="open"),
    "released": lambda: door("RELEASED", lock="released"),
}


def serve(
    name: str | None, port: int = 0, means: Means | None = None, config: ScreenConfig = CONFIG, **more: Any
) -> PageServer:
    """One screen for good, or all in turn."""
    names = list(SCREENS)

    def chosen() -> states.Statuses:
        return SCREENS[name or names[int(time.monotonic() / 3) % len(names)]]()

    app = build_app(
        chosen,
        lambda limit: [],
        SITE,
        "0.1.0",
        False,
        clock=lambda: states.MONO,
        wall=lambda: states.UTC,
        start_seconds=0,
        visitor=Visitor(config, means or Means(lambda digits: True, lambda: True), **more),
    )
    return make_server(app, "127.0.0.1", port)


if __name__ == "__main__":
    known = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in SCREENS else None
    serve(known, int(sys.argv[2]) if len(sys.argv) > 2 else 8480).run()
