"""How fast a full outbox drains through a real broker, against paho alone publishing the same bytes.

    python bench/mqtt.py [--events 5000]

Mosquitto on loopback, TLS 1.3 with a client certificate, QoS 1. Both sides keep the same window
(what the broker allows, at most 200). Ours also reads each event from SQLite, encodes it, and
settles it durably. The shipped throttle is off for the first figure: it measures the code; the
second figure is as shipped. The last line is one JSON object.
"""

import argparse
import json
import random
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from beds.broker import MOSQUITTO, SITE, Mosquitto
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from appliance.config import SiteConfig
from appliance.facts import Event, EventType
from appliance.fleet import topics
from appliance.fleet.broker import Broker
from appliance.fleet.outbox import BACKLOG_RATE, WINDOW, Backoff, Outbox
from appliance.fleet.topics import Names
from appliance.fleet.uplink import Uplink
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


def drain(mosquitto: Mosquitto, folder: Path, record: EventLog, rate: float) -> float:
    """Seconds our uplink takes from being online to the last row settled."""
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
    began = time.perf_counter()
    wait(lambda: record.count_unsettled() == 0)
    took = time.perf_counter() - began
    stop.set()
    thread.join()
    return took


def wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


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
            record = fill(folder / "a", events)
            names, site = Names(SITE, DOOR), SiteConfig(site=SITE, door=DOOR)
            stored = record.unsettled(events)
            messages = [(names.event(event.type), topics.encode(event.wire(site))) for event in stored]
            paho_alone = events / bare(mosquitto, messages)
            ours = events / drain(mosquitto, folder / "a", record, 1e9)
            few = max(500, events // 5)
            shipped = few / drain(mosquitto, folder / "b", fill(folder / "b", few), BACKLOG_RATE)
        finally:
            mosquitto.stop()
    print(f"paho alone           {paho_alone:8.0f} events/s")
    print(f"outbox, no throttle  {ours:8.0f} events/s  ({ours / paho_alone:.2f} of paho alone)")
    print(f"outbox, as shipped   {shipped:8.0f} events/s  (throttled to {BACKLOG_RATE:g})")
    figures = {
        "bench": "mqtt",
        "events": events,
        "paho_per_s": paho_alone,
        "outbox_per_s": ours,
        "shipped_per_s": shipped,
    }
    rounded = {key: round(value) if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps(rounded | {"ratio": round(ours / paho_alone, 3), "payload_bytes": len(messages[0][1])}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
