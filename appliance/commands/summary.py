"""What a run amounted to: the machine-readable last line of `lintel run --json`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from appliance.facts import Credential, EventType, Reason

Row = Mapping[str, Any]
"""An event as JSON values: at least `type`, `why`, `by`, `detail`."""


def summarise(events: Iterable[Row], rss_mb: Mapping[str, float]) -> dict[str, Any]:
    """Count what happened. The keys are stable; operators script against them (README).

    granted: faces let in. pin: PINs let in. spoof: presentation attacks refused. denied: every other
    refusal, by reason. latency_ms: from the frame in which a visitor was near and frontal to the relay's
    edge, faces only; null before the first.
    """
    granted = pins = spoofs = 0
    denied: Counter[str] = Counter()
    latencies: list[float] = []
    for event in events:
        kind, why, by = event["type"], event["why"], event["by"]
        if kind == EventType.DOOR and why == "unlocked" and by == Credential.FACE:
            latencies.append(float(event["detail"]["latency_ms"]))
        elif kind == EventType.SPOOF:
            spoofs += 1
        elif kind in (EventType.ACCESS, EventType.PIN):
            if why != Reason.GRANTED:
                denied[why] += 1
            elif by == Credential.FACE:
                granted += 1
            elif by == Credential.PIN:
                pins += 1
    return {
        "granted": granted,
        "denied": dict(sorted(denied.items())),
        "spoof": spoofs,
        "pin": pins,
        "latency_ms": {"p50": percentile(latencies, 0.50), "p99": percentile(latencies, 0.99)},
        "rss_mb": {name: round(value, 1) for name, value in rss_mb.items()},
    }


def percentile(values: Iterable[float], share: float) -> float | None:
    """Nearest-rank percentile (the smallest value with at least `share` of all at or below it), 0.1 steps."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(0, -int(-share * len(ordered) // 1) - 1)
    return round(ordered[rank], 1)
