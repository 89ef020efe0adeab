"""Several people in view, seen by the real detector, landmarks and embedder on composed frames."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.facts import Frame, Passing, Pixels
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision.bench import Bench
from appliance.vision.chain import Chain
from appliance.vision.gallery import Gallery
from appliance.vision.stages import Stages

from .scenes import Cutout, compose, portrait, wall

RATE = 15.0
"""Frames a second: slower than most cameras, so that a look is as seldom as on a busy board."""
LFW = Path(__file__).parents[3] / "shared" / "data" / "lfw-dev"
Way = list[tuple[float, float] | None]
"""Middle and width of a face, px, on each frame; None: out of view."""


def still(x: float, width: float, seconds: float) -> Way:
    """Stands, as people do, not quite still."""
    count = round(seconds * RATE)
    return [(x + 6 * float(np.sin(index / RATE * 5)), width) for index in range(count)]


def walk(x: tuple[float, float], width: tuple[float, float], seconds: float) -> Way:
    count = round(seconds * RATE)
    return list(zip(np.linspace(*x, count).tolist(), np.linspace(*width, count).tolist(), strict=True))


def absent(seconds: float) -> Way:
    return [None] * round(seconds * RATE)


@dataclass
class Film:
    """What the chain made of one."""

    passings: list[Passing]
    people: list[str | None]
    asked_at: list[float]
    """Where across the frame the embedded faces stood."""


@dataclass
class Stage:
    stages: Stages
    gallery: Gallery
    chain: Chain
    places: list[float]

    def play(self, *roles: tuple[Pixels, Way]) -> Film:
        """Each role a portrait and its way; the later in front of the earlier."""
        sprites = [Cutout.of(self.stages, picture, 160) for picture, _ in roles]
        length = max(len(way) for _, way in roles)
        film, background = Film([], [], self.places), wall()
        for index in range(length):
            pixels = background
            for sprite, (_, way) in zip(sprites, roles, strict=True):
                spot = way[index] if index < len(way) else None
                if spot is not None:
                    pixels = compose(_scaled(sprite, spot[1] / 160), spot[0], 230, pixels)
            glimpse = self.chain.step(Frame(index, 100 + index / RATE, pixels))
            if glimpse.passing:
                film.passings.append(glimpse.passing)
            if glimpse.match:
                film.people.append(glimpse.match.person if glimpse.match.liveness.live else "attack")
        return film


def _scaled(sprite: Cutout, factor: float) -> Cutout:
    flag = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    pixels, mask = (cv2.resize(one, None, fx=factor, fy=factor, interpolation=flag)
                    for one in (sprite.pixels, sprite.mask))  # fmt: skip
    return Cutout(pixels, mask, (sprite.middle[0] * factor, sprite.middle[1] * factor))


@pytest.fixture
def stage(models, enrolled: Gallery, monkeypatch: pytest.MonkeyPatch) -> Stage:
    chain = Chain(models, enrolled, RecognitionConfig(), LivenessConfig())
    places: list[float] = []
    aligned, embed = Bench.aligned, Bench.embed
    where = [0.0]

    def aligning(self: Bench, pixels: Pixels, mesh: np.ndarray):
        where[0] = float(mesh[:, 0].mean())
        return aligned(self, pixels, mesh)

    def embedding(self: Bench, crop: Pixels):
        places.append(where[0])
        return embed(self, crop)

    monkeypatch.setattr(Bench, "aligned", aligning)
    monkeypatch.setattr(Bench, "embed", embedding)
    return Stage(models.stages, enrolled, chain, places)


RESIDENT, OTHER = "obama.jpg", "biden.jpg"
LET_IN = still(380, 175, 2) + walk((380, 800), (175, 220), 1) + absent(3)
"""Comes up, is recognised, goes through the door on the right."""


PAST = absent(2) + walk((130, 250), (90, 150), 1) + walk((250, 760), (150, 210), 1.2) + absent(2)
"""Comes up behind LET_IN and follows through the door."""


@pytest.mark.parametrize("name", [OTHER, "astronaut.jpg"])
def test_another_who_walks_past_behind_the_one_let_in_is_told_once(stage: Stage, name: str) -> None:
    film = stage.play((portrait(name), PAST), (portrait(RESIDENT), LET_IN))
    assert film.people[:1] == ["resident"]
    assert [passing.faces for passing in film.passings] == [1]


@pytest.mark.skipif(not LFW.is_dir(), reason="../shared/data/lfw-dev is not here")
@pytest.mark.parametrize("name", ["Aaron_Sorkin", "Dino_de_Laurentis", "Martina_Hingis"])
def test_a_head_that_the_frames_edge_cuts_has_not_turned_back(stage: Stage, name: str) -> None:
    """Its box is measured narrower there, as that of one who walks away would be."""
    picture = cv2.imread(str(min((LFW / name).glob("*.jpg"))))
    assert picture is not None
    film = stage.play((picture, PAST), (portrait(RESIDENT), LET_IN))
    assert [passing.faces for passing in film.passings] == [1]


@pytest.mark.parametrize("to", [20, 320])
def test_another_who_walks_away_is_not_told(stage: Stage, to: float) -> None:
    """Back where they came from, out at the picture's edge or in its middle."""
    near = still(150, 150, 2) + walk((150, 150), (150, 190), 0.7)
    away = near + walk((150, to), (190, 140), 0.7) + absent(2)
    film = stage.play((portrait(OTHER), away), (portrait(RESIDENT), LET_IN))
    assert film.passings == []


def test_another_who_stands_beside_is_not_told_and_waits_their_turn_unembedded(stage: Stage) -> None:
    scene = LET_IN[: round(0.8 * RATE)]
    beside = [(430.0 + place[0] - 380, place[1]) for place in scene if place]
    film = stage.play((portrait(OTHER), still(110, 150, 0.8)), (portrait(RESIDENT), beside))
    assert film.people[:1] == ["resident"]
    assert film.asked_at[:3] == pytest.approx([430] * 3, abs=60)
    assert film.passings == []


def test_another_who_merely_stands_behind_is_not_told_nor_embedded(stage: Stage) -> None:
    film = stage.play((portrait(OTHER), still(120, 95, 6)), (portrait(RESIDENT), LET_IN))
    assert film.people == ["resident"]
    assert film.passings == []
    assert film.asked_at
    assert all(place > 250 for place in film.asked_at)


def test_one_alone_is_not_told(stage: Stage) -> None:
    film = stage.play((portrait(RESIDENT), LET_IN))
    assert (film.people, film.passings) == (["resident"], [])


def test_who_leaves_and_comes_back_is_not_another(stage: Stage) -> None:
    back = walk((760, 380), (200, 175), 1) + still(380, 175, 1.5) + walk((380, 800), (175, 220), 1) + absent(2)
    film = stage.play((portrait(RESIDENT), LET_IN[: -round(2 * RATE)] + back))
    assert set(film.people) == {"resident"}
    assert film.passings == []
