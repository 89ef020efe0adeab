"""States of a door as its processes publish them: for tests, pictures and the demo server.

Times count from `MONO` and `UTC`, so that every picture of a state is the same.
"""

from collections.abc import Callable, Mapping
from typing import Any

MONO = 5_000.0
UTC = 1_795_377_600.0
"""22 November 2026, 20:00:00 UTC."""
ANNA = "3f2a91bc-5d1e-4c07-9a44-0c5e6b1f7d20"
BEN = "b81d04e7-22aa-4f3b-8e19-7f6a90c3d511"

Statuses = dict[str, dict[str, Any] | None]
Events = list[dict[str, Any]]


def door(state: str = "LOCKED", since: float = 130.0, **more: Any) -> dict[str, Any]:
    return {
        "at": MONO - 0.3,
        "pid": 1201,
        "state": state,
        "since": MONO - since,
        "lock": "secure",
        "contact": "closed",
        "vision": "ok",
        "simulated": True,
        "keypad": "ok",
        "store": "ok",
        "last": None,
    } | more


def vision(stage: str = "idle", **more: Any) -> dict[str, Any]:
    return {
        "at": MONO - 0.05,
        "pid": 1202,
        "camera": "ok",
        "fps": 29.7,
        "faces": 0,
        "stage": stage,
        "hint": None,
        "face": None,
        "score": None,
        "threshold": 0.62,
        "passive": None,
        "surround": None,
        "votes": 0,
        "person": None,
        "stages_ms": {"detect": 6.4},
        "simulated": True,
        "scene": "empty",
    } | more


def net(**more: Any) -> dict[str, Any]:
    return {"at": MONO - 0.4, "pid": 1203, "mqtt": "online", "outbox": 0} | more


def event(seq: int, ago: float, kind: str, why: str, by: str | None = None, **more: Any) -> dict[str, Any]:
    at = UTC - ago
    minutes, seconds = divmod(at - (UTC - 72_000), 60)
    hours, minutes = divmod(minutes, 60)
    return {
        "v": 1,
        "id": f"019ad000-0000-7000-8000-{seq:012d}",
        "dev": "front",
        "boot": "0b6f4e1c-9d1f-4d53-8a39-3d1f2f6a7c11",
        "seq": seq,
        "t": f"2026-11-22T{int(hours):02d}:{int(minutes):02d}:{seconds:06.3f}Z",
        "tq": "synced",
        "mono_ms": int((MONO - ago) * 1000),
        "type": kind,
        "why": why,
        "pid": None,
        "by": by,
        "score": None,
        "thr": None,
        "live": None,
        "cfg": None,
        "roster": 3,
        "mdl": None,
        "prev": "0" * 64,
    } | more


def history() -> Events:
    """A busy quarter of an hour, oldest first."""
    face = {"thr": 0.62, "live": True}
    return [
        event(1, 900, "sys", "started"),
        event(2, 880, "audit", "person_added", "cli", pid=ANNA),
        event(3, 801, "access", "granted", "face", pid=ANNA, score=0.742, **face),
        event(4, 801, "door", "unlocked", "face", pid=ANNA, detail={"latency_ms": 431.2, "compute_ms": 188.0}),
        event(5, 799, "door", "opened"),
        event(6, 797, "door", "closed"),
        event(7, 610, "access", "unknown_face", "face", score=0.214, **face),
        event(8, 420, "spoof", "spoof", "face", score=0.701, thr=0.62, live=False),
        event(9, 300, "pin", "unknown_pin", "pin"),
        event(10, 290, "access", "granted", "pin", pid=BEN),
        event(11, 290, "door", "unlocked", "pin", pid=BEN, detail={"latency_ms": 61.0, "compute_ms": 52.4}),
        event(12, 140, "door", "unlocked", "rex", detail={"latency_ms": 2.1}),
    ]


def arrival(ago: float) -> Events:
    return [
        event(13, ago, "access", "granted", "face", pid=ANNA, score=0.713, thr=0.62, live=True),
        event(14, ago, "door", "unlocked", "face", pid=ANNA, detail={"latency_ms": 412.4, "compute_ms": 171.9}),
    ]


SEEN = {"faces": 1, "face": [0.36, 0.24, 0.27, 0.36], "passive": 0.94, "surround": "still", "scene": "resident"}
TIMED = {"detect": 6.4, "mesh": 8.9, "liveness": 21.7, "embed": 46.3, "match": 0.2}


def empty() -> tuple[Statuses, Events]:
    return {"door": door(), "vision": vision(), "net": net(mqtt="off")}, []


def idle() -> tuple[Statuses, Events]:
    return {"door": door(), "vision": vision(), "net": net()}, history()


def checking() -> tuple[Statuses, Events]:
    seen = vision("checking", hint="hold_still", score=0.58, votes=2, stages_ms=TIMED, **SEEN)
    return {"door": door(), "vision": seen, "net": net(outbox=2)}, history()


def far() -> tuple[Statuses, Events]:
    seen = vision("far", hint="come_closer", faces=1, face=[0.55, 0.4, 0.09, 0.12], scene="resident")
    return {"door": door(), "vision": seen, "net": net()}, history()


def granted() -> tuple[Statuses, Events]:
    seen = vision("resting", score=0.713, votes=3, person=ANNA, stages_ms=TIMED, **SEEN)
    opened = door("UNLOCKED", 0.4, lock="released")
    return {"door": opened, "vision": seen, "net": net(outbox=1)}, history() + arrival(0.4)


def opened() -> tuple[Statuses, Events]:
    seen = vision("resting", score=0.713, votes=3, person=ANNA, stages_ms=TIMED, **SEEN)
    wide = door("OPEN", 1.2, lock="released", contact="open")
    return {"door": wide, "vision": seen, "net": net()}, [*history(), *arrival(2.4), event(15, 1.2, "door", "opened")]


def refused() -> tuple[Statuses, Events]:
    seen = vision("resting", score=0.18, votes=3, stages_ms=TIMED, **(SEEN | {"scene": "stranger"}))
    asked = event(13, 1, "access", "unknown_face", "face", score=0.18, thr=0.62, live=True)
    return {"door": door(), "vision": seen, "net": net()}, [*history(), asked]


def spoof() -> tuple[Statuses, Events]:
    attack = SEEN | {"scene": "photo", "passive": 0.08, "surround": "moves"}
    seen = vision("resting", score=0.69, votes=3, stages_ms=TIMED, **attack)
    asked = event(13, 1, "spoof", "spoof", "face", score=0.69, thr=0.62, live=False)
    return {"door": door(), "vision": seen, "net": net()}, [*history(), asked]


def held() -> tuple[Statuses, Events]:
    wide = door("HELD", 44, contact="open")
    return {"door": wide, "vision": vision(), "net": net()}, [*history(), *arrival(80), event(15, 44, "door", "held")]


def forced() -> tuple[Statuses, Events]:
    broken = door("FORCED", 9, contact="open", simulated=False, vision="lost", keypad="locked_out")
    seen = {"door": broken, "vision": None, "net": net(mqtt="offline", outbox=1_204)}
    return seen, [*history(), event(13, 9, "door", "forced")]


def lockdown() -> tuple[Statuses, Events]:
    shut = door("LOCKDOWN", 600, simulated=False)
    seen = vision("near", hint="look_straight", **(SEEN | {"scene": None, "passive": None, "surround": None}))
    return {"door": shut, "vision": seen | {"simulated": False}, "net": net()}, history()


def released() -> tuple[Statuses, Events]:
    free = door("RELEASED", 20, lock="released", contact="closed")
    return {"door": free, "vision": vision(), "net": net()}, [*history(), event(13, 20, "door", "released", "fire")]


def blind() -> tuple[Statuses, Events]:
    dark = vision("idle", camera="stalled", fps=0.0, stages_ms={}, scene=None)
    return {"door": door(vision="blind"), "vision": dark, "net": net()}, history()


def silent() -> tuple[Statuses, Events]:
    return {"door": None, "vision": None, "net": net()}, history()


STATES: Mapping[str, Callable[[], tuple[Statuses, Events]]] = {
    state.__name__: state
    for state in (
        *(empty, idle, far, checking, granted, opened, refused, spoof),
        *(held, forced, lockdown, released, blind, silent),
    )
}
