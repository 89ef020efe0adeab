"""How fast a full outbox drains through a real broker, against paho alone publishing the same bytes.

    python bench/mqtt.py [--events 5000]

Mosquitto on loopback, TLS 1.3 with a client certificate, QoS 1. Both sides keep the same window
(what the broker allows, at most 200). Ours also reads each event from SQLite, encodes it, and
settles it durably. The shipped throttle is off for the first figure: it measures the code; the
second figure is as shipped. Then single events, from durable here to received there. The last
line is one JSON object.
"""

import argparse
import json
import random
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from beds.broker import MOSQUITTO, SITE, Host, Mosquitto
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from appliance.facts import Event, EventType
from appliance.fleet import topics
from appliance.fleet.broker import Broker
from appliance.fleet.outbox import BACKLOG_RATE, WINDOW, Backoff, Outbox
from appliance.fleet.topics import Names
from appliance.fleet.uplink import Uplink
from appliance.settings import SiteConfig
from appliance.store.database import connect
from appliance.store.events import EventLog
from appliance.system.clock import now

DOOR = "door-1"


def bare(mosquitto: Mosquitto, messages: list[tuple[str, bytes]]) -> float:
    """Seconds paho's own loop takes for the messages, from the first publish to the last PUBACK."""
    config = mosquitto.config(DOOR)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=DOOR, protocol=paho.MQTTv5)
    client.tls_set(config.ca, config.cert, config.key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    ready, slots, left = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    def connected(_client: object, _data: object, _flags: object, _reason: object, given: object) -> None:
        for _ in range(min(WINDOW, getattr(given, "ReceiveMaximum", 65535))):
            slots.release()
        ready.set()

    def published(*_: object) -> None:
        slots.release()
        left.release()

    client.max_inflight_messages = 0
    client.on_connect = connected
    client.on_publish = published
    client.connect("localhost", mosquitto.port, 20)
    client.loop_start()
    ready.wait(10)
    began = time.perf_counter()
    for topic, payload in messages:
        slots.acquire()
        client.publish(topic, payload, qos=1)
    for _ in messages:
        left.acquire()
    took = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return took


def fill(folder: Path, events: int) -> EventLog:
    folder.mkdir()
    record = EventLog(connect(folder / "lintel.db"))
    for start in range(0, events, 500):
        count = min(500, events - start)
        record.append_many([Event(EventType.ACCESS, "granted", now(), score=0.61, live=True) for _ in range(count)])
    return record


@contextmanager
def uplink_to(mosquitto: Mosquitto, folder: Path, rate: float) -> Iterator[Uplink]:
    stop = threading.Event()
    uplink = Uplink(
        Broker(mosquitto.config(DOOR), DOOR),
        SiteConfig(site=SITE, door=DOOR),
        clock=now,
        read_door=lambda: None,
        read_figures=dict,
        version="bench",
        outbox=Outbox(rate=rate),
        backoff=Backoff(random.random),
    )
    thread = threading.Thread(target=lambda: uplink.run(lambda: EventLog(connect(folder / "lintel.db")), stop))
    thread.start()
    wait(lambda: uplink.online)
    yield uplink
    stop.set()
    thread.join()


def drain(mosquitto: Mosquitto, folder: Path, record: EventLog, rate: float) -> float:
    """Seconds our uplink takes from being online to the last row settled."""
    with uplink_to(mosquitto, folder, rate):
        began = time.perf_counter()
        wait(lambda: record.count_unsettled() == 0)
        return time.perf_counter() - began


def live_ms(mosquitto: Mosquitto, folder: Path, record: EventLog, count: int = 60) -> list[float]:
    """Milliseconds from the event being durable to a subscriber having it, one at a time, sorted."""
    host, times = Host(mosquitto), []
    with uplink_to(mosquitto, folder, BACKLOG_RATE):
        for number in range(count):
            record.append(Event(EventType.ACCESS, "granted", now()))
            began = time.monotonic()
            wait(lambda number=number: len(host.events()) > number)
            times.append((host.events()[-1].at - began) * 1000)
            time.sleep(random.uniform(0.05, 0.15))
    host.close()
    return sorted(times)


def wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def wire_form(record: EventLog, events: int) -> list[tuple[str, bytes]]:
    names, site = Names(SITE, DOOR), SiteConfig(site=SITE, door=DOOR)
    return [(names.event(e.type), topics.encode(e.wire(site))) for e in record.unsettled(events)]


def report(events: int, alone: float, ours: float, shipped: float, live: list[float], payload_bytes: int) -> None:
    middle = live[len(live) // 2]
    print(f"paho alone           {alone:8.0f} events/s")
    print(f"outbox, no throttle  {ours:8.0f} events/s  ({ours / alone:.2f} of paho alone)")
    print(f"outbox, as shipped   {shipped:8.0f} events/s  (throttled to {BACKLOG_RATE:g})")
    print(f"a live event         {middle:8.0f} ms to a subscriber, median of {len(live)}; worst {live[-1]:.0f}")
    figures = {
        "bench": "mqtt",
        "events": events,
        "paho_per_s": round(alone),
        "outbox_per_s": round(ours),
        "ratio": round(ours / alone, 3),
        "shipped_per_s": round(shipped),
        "live_ms_p50": round(middle),
        "live_ms_max": round(live[-1]),
        "payload_bytes": payload_bytes,
    }
    print(json.dumps(figures))


def main() -> int:
    parser = argparse.ArgumentParser(description="Drain rate of the outbox.")
    parser.add_argument("--events", type=int, default=5000)
    events = parser.parse_args().events
    if MOSQUITTO is None:
        print(json.dumps({"bench": "mqtt", "skipped": "mosquitto is not installed"}))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mosquitto = Mosquitto(folder)
        mosquitto.start()
        try:
            alone, ours = [], []
            for turn in range(3):  # by turns, since the machine may be busy with other things
                place = folder / f"drain-{turn}"
                record = fill(place, events)
                messages = wire_form(record, events)
                alone.append(events / bare(mosquitto, messages))
                ours.append(events / drain(mosquitto, place, record, 1e9))
            live = live_ms(mosquitto, folder / "c", fill(folder / "c", 0))
            place = folder / "shipped"
            shipped = 1000 / drain(mosquitto, place, fill(place, 1000), BACKLOG_RATE)
        finally:
            mosquitto.stop()
    report(events, median(alone), median(ours), shipped, live, len(messages[0][1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
