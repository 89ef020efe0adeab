import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.commands.summary import percentile, summarise


def event(kind, why, by=None, **detail):
    return {"type": kind, "why": why, "by": by, "detail": detail}


def test_each_outcome_is_counted_once():
    events = [
        event("access", "granted", "face"),
        event("door", "unlocked", "face", latency_ms=240.0),
        event("access", "granted", "face"),
        event("door", "unlocked", "face", latency_ms=260.0),
        event("access", "granted", "pin"),
        event("door", "unlocked", "pin", latency_ms=70.0),
        event("access", "unknown_face", "face"),
        event("pin", "unknown_pin", "pin"),
        event("spoof", "spoof", "face"),
        event("door", "locked"),
        event("sys", "started"),
    ]
    assert summarise(events, {"door": 30.04}) == {
        "granted": 2,
        "denied": {"unknown_face": 1, "unknown_pin": 1},
        "spoof": 1,
        "pin": 1,
        "latency_ms": {"p50": 240.0, "p99": 260.0},
        "rss_mb": {"door": 30.0},
    }


def test_a_run_without_visitors_has_no_latency():
    line = json.dumps(summarise([], {}))
    assert json.loads(line)["latency_ms"] == {"p50": None, "p99": None}


@given(st.lists(st.floats(0, 1e4), min_size=1), st.floats(0.01, 1))
def test_a_percentile_has_its_share_at_or_below(values, share):
    value = percentile(values, share)
    assert sum(round(v, 1) <= value for v in values) >= share * len(values) - 1e-9
    assert value in {round(v, 1) for v in values}
