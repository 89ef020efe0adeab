"""What the net process does when a part of it breaks or hangs."""

import asyncio
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from appliance.daemons import duties, net
from appliance.errors import ConfigError, StoreError
from appliance.facts import TEMPLATE_DIMENSIONS, ClockQuality, Event, EventType, Moment
from appliance.fleet.uplink import Uplink
from appliance.settings import RetentionConfig, SiteConfig, WebConfig
from appliance.store.consent import given
from appliance.store.database import FILE, connect
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.system.keys import DeviceKey
from appliance.system.status import StatusFile
from appliance.web.app import build_app
from appliance.web.server import make_server


@pytest.mark.parametrize("failure", [StoreError("the disk is full; free some space"), KeyError("a mistake of ours")])
def test_a_duty_that_breaks_is_started_again_and_says_why(
    failure: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "AGAIN_SECONDS", 0.01)
    tries = []

    def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise failure

    duties.keep("broker", work, threading.Event()).join(5)
    assert len(tries) == 3
    assert str(failure) in caplog.text
    assert ("Traceback" in caplog.text) is isinstance(failure, KeyError)


def test_a_link_that_hangs_ends_the_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its thread is alive and does nothing: only its pulse tells."""
    app = build_app(dict, lambda _: [], SiteConfig(), "0", simulated=True)
    hung = cast(Uplink, SimpleNamespace(online=True, waiting=3, beat=time.monotonic() - net.STUCK_SECONDS - 1))
    status = StatusFile(tmp_path / "net" / "status.json")
    listener = duties.listen(WebConfig(port=0))
    page = make_server(app, "127.0.0.1", 0)
    assert asyncio.run(net._serve(page, listener, hung, status)) is False
    assert "hung" in caplog.text
    status.close()


def test_listening_says_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"web.host = '192.0.2.1'.*no such address"):
        duties.listen(WebConfig(host="192.0.2.1", port=0))
    listener = duties.listen(WebConfig(port=0))
    with pytest.raises(ConfigError, match="another program listens there"):
        duties.listen(WebConfig(port=listener.getsockname()[1]))
    listener.close()


@pytest.mark.parametrize("delivered", [True, False])
def test_old_events_go_and_what_waits_for_a_host_stays(
    tmp_path: Path, delivered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = EventLog(connect(tmp_path / FILE))
    long_ago = Moment(1.0, time.time() - 100 * 86400, ClockQuality.SYNCED)
    old = record.append_many([Event(EventType.DOOR, "OPEN", long_ago)] * 3)
    new = record.append(Event(EventType.DOOR, "OPEN", replace(long_ago, utc=time.time())))
    record.settle([old[0].seq])
    monkeypatch.setattr(duties.clock, "now", lambda: Moment(2.0, time.time(), ClockQuality.SYNCED))
    stop = threading.Event()
    stop.set()
    duties.tidy(tmp_path / FILE, RetentionConfig(), delivered, stop)
    left = [event.seq for event in record.latest(10)]
    assert left == [*([old[1].seq, old[2].seq] if delivered else []), new.seq]
    assert record.verify_chain().holds


def test_a_consent_that_ran_out_takes_its_templates_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = connect(tmp_path / FILE)
    people = People(db, DeviceKey.load(tmp_path, create=True), EventLog(db))
    start = time.time()
    person = people.add("Ada", by="cli", consent=given(start, "cli", days=1))
    vectors = np.eye(2, TEMPLATE_DIMENSIONS, dtype=np.float32)
    add_templates(db, DeviceKey.load(tmp_path), person.pid, vectors, "m", by="cli")
    stop = threading.Event()
    stop.set()
    for later, left in ((3600, 2), (2 * 86400, 0)):
        monkeypatch.setattr(duties.clock, "now", lambda at=start + later: Moment(2.0, at, ClockQuality.SYNCED))
        duties.tidy(tmp_path / FILE, RetentionConfig(), False, stop)
        assert db.execute("SELECT COUNT(*) FROM templates").fetchone() == (left,)


def test_the_page_reads_the_record_in_wire_form(tmp_path: Path) -> None:
    record = EventLog(connect(tmp_path / FILE))
    record.append(Event(EventType.ACCESS, "granted", Moment(1.0, 1.7e9), person="p"))
    latest = duties.LatestEvents(tmp_path / FILE, SiteConfig(door="front"))
    [event] = latest(5)
    assert (event["dev"], event["pid"], event["why"]) == ("front", "p", "granted")
    with pytest.raises(StoreError):
        duties.LatestEvents(tmp_path / "none" / FILE, SiteConfig())(1)
