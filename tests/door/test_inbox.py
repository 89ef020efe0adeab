"""The inbox: the button goes first, and no flood of facts can fill it."""

import threading
import time

from appliance.access.roster import Roster
from appliance.door.inbox import ROOM, Edge, History, Inbox, KeypadState, RosterLoaded, StoreState
from appliance.facts import Alive


def test_first_come_first_served_but_edges_before_all():
    inbox = Inbox()
    inbox.put(KeypadState("ok"))
    inbox.put(KeypadState("lost"))
    inbox.edge("rex", True, 1.0)
    assert [inbox.get(0) for _ in range(4)] == [Edge("rex", True, 1.0), KeypadState("ok"), KeypadState("lost"), None]


def test_a_flood_is_bounded_and_leaves_room_for_the_button():
    inbox = Inbox()
    for n in range(10_000):
        inbox.put(Alive("vision", n))
    inbox.edge("fire", True, 1.0)
    assert inbox.dropped == 10_000 - ROOM
    assert inbox.get(0) == Edge("fire", True, 1.0)
    assert inbox.get(0) == Alive("vision", 0)


def test_waits_as_long_as_told_and_wakes_at_once():
    inbox = Inbox()
    began = time.monotonic()
    assert inbox.get(0.05) is None
    assert 0.04 < time.monotonic() - began < 0.5
    threading.Timer(0.05, inbox.edge, ("rex", True, 0.0)).start()
    began = time.monotonic()
    assert inbox.get(5) is not None
    assert time.monotonic() - began < 1


def test_a_flood_pushes_out_nothing_of_the_journals_and_the_newest_people_count():
    inbox = Inbox()
    for n in range(ROOM):
        inbox.put(Alive("vision", n))
    newest = Roster(loaded_version=2)
    for item in (RosterLoaded(Roster()), History(()), StoreState("ok"), RosterLoaded(newest)):
        inbox.put(item)
    assert inbox.dropped == 0
    assert [inbox.get(0) for _ in range(2)] == [History(()), RosterLoaded(newest)]
    assert [inbox.get(0) for _ in range(ROOM + 1)][-1] == StoreState("ok")
