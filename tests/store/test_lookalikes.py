"""Who looks too much like somebody else: found when templates come, forgotten when they go."""

from pathlib import Path

import numpy as np
import pytest
from sqlite_utils import Database

from appliance.facts import Vector
from appliance.store.consent import Consent
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.lookalikes import ALIKE_COSINE, near
from appliance.store.people import People
from appliance.store.rulebook import Rulebook
from appliance.system.keys import DeviceKey

from .conftest import Clock, vectors

MODEL = "sha256:0123456789ab"


def at(cosine: float, other: Vector, seed: int = 5) -> Vector:
    """A template at that cosine from another one, both (1, 160)."""
    noise = vectors(1, seed)
    across = noise - (noise @ other.T) * other
    across /= np.linalg.norm(across)
    return (cosine * other + np.sqrt(1 - cosine**2) * across).astype(np.float32)


class Site:
    """People with faces of their own, and what is asked about them."""

    def __init__(self, db: Database, keys: DeviceKey, people: People, log: EventLog, consent: Consent) -> None:
        self.db, self.keys, self.people, self.log, self.consent = db, keys, people, log, consent
        self.rules = Rulebook(db)

    def person(self, name: str, *templates: Vector, model: str = MODEL, **options: object) -> str:
        pid = self.people.add(name, by="cli", consent=self.consent).pid
        for template in templates:
            self.enrol(pid, template, model, **options)
        return pid

    def enrol(self, pid: str, template: Vector, model: str = MODEL, **options: object) -> None:
        add_templates(self.db, self.keys, pid, template, model, by="admin-1", log=self.log, **options)  # type: ignore[arg-type]


@pytest.fixture
def site(db: Database, keys: DeviceKey, people: People, log: EventLog, consent: Consent) -> Site:
    return Site(db, keys, people, log, consent)


ONE = vectors(1, 1)


@pytest.mark.parametrize(("cosine", "marked"), [(ALIKE_COSINE + 0.01, True), (ALIKE_COSINE - 0.01, False)])
def test_two_who_come_near_each_other_are_both_marked(site: Site, cosine: float, marked: bool) -> None:
    ada = site.person("Ada", ONE * 1.009)
    eve = site.person("Eve", at(cosine, ONE) * 0.992, vectors(1, 9))
    site.person("Dan", vectors(1, 2))
    assert site.rules.alike() == ({ada, eve} if marked else set())
    told = [(e.why, e.person, e.by) for e in site.log.latest(20) if e.why == "alike_set"]
    assert told == ([("alike_set", eve, "admin-1"), ("alike_set", ada, "admin-1")] if marked else [])


def test_one_persons_own_pictures_are_no_look_alikes(site: Site) -> None:
    ada = site.person("Ada", ONE, at(0.9, ONE))
    site.enrol(ada, np.concatenate([ONE, at(0.8, ONE)]))
    assert site.rules.alike() == set()


def test_another_models_templates_are_not_compared(site: Site) -> None:
    site.person("Ada", ONE)
    site.person("Eve", ONE, model="sha256:older0000000")
    assert site.rules.alike() == set()


def test_a_suspended_person_counts(site: Site) -> None:
    ada = site.person("Ada", ONE)
    site.people.suspend(ada, "cli")
    eve = site.person("Eve", at(0.6, ONE))
    assert site.rules.alike() == {ada, eve}


def test_whoever_compared_them_already_says_who(site: Site) -> None:
    ada = site.person("Ada", ONE)
    dan = site.person("Dan", vectors(1, 3))
    site.person("Eve", at(0.9, ONE), alike=())
    assert site.rules.alike() == set()
    eva = site.person("Eva", vectors(1, 4), alike={dan, "gone"})
    assert site.rules.alike() == {dan, eva}
    site.enrol(eva, vectors(1, 4), alike={dan, eva})
    assert sum(e.why == "alike_set" for e in site.log.latest(50)) == 2, "said once"
    assert ada not in site.rules.alike()


def test_the_mark_goes_with_the_last_template(site: Site) -> None:
    ada, eve = site.person("Ada", ONE), site.person("Eve", at(0.6, ONE), vectors(1, 7))
    ida = site.person("Ida", at(0.7, ONE, 6))
    assert site.rules.alike() >= {ada, eve, ida}
    site.db.execute("DELETE FROM templates WHERE rowid = (SELECT MAX(rowid) FROM templates WHERE pid = ?)", (eve,))
    assert eve in site.rules.alike(), "one is left"
    site.people.withdraw_consent(eve, "cli")
    assert site.rules.alike() == {ada, ida}
    site.people.remove(ida, "cli")
    assert site.rules.alike() == set()


def test_nobody_is_near_an_empty_gallery_or_a_vector_without_length() -> None:
    nothing = np.empty((0, 160), np.float32)
    assert near([], nothing, ONE) == near(["a"], ONE, nothing) == frozenset()
    assert near(["a"], np.zeros((1, 160), np.float32), ONE, 0.0001) == frozenset()
    assert near(["a", "b"], np.concatenate([ONE, -ONE]), ONE) == {"a"}


def test_no_pid_of_a_pair_stays_on_the_disk(site: Site, path: Path, clock: Clock) -> None:
    ada, eve = site.person("Ada", ONE), site.person("Eve", at(0.6, ONE))
    pair = "".join(sorted((ada, eve))).encode()
    site.people.remove(eve, "cli")
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert pair not in disk
    assert eve.encode() in disk, "the record keeps the id, which stands for nobody"
