from dataclasses import replace
from math import nan

import numpy as np
import pytest

from appliance.facts import Face
from appliance.vision.crowd import AWAY_SECONDS, Crowd, same_place
from appliance.vision.intent import looks, may_look, rough_yaw
from appliance.vision.passing import AFTER_SECONDS, Doorway
from appliance.vision.quality import Pose
from appliance.vision.rest import Rests

NEAR, GAZE = 130.0, 20.0
SIZE = (640, 480)


def face(x: float = 320, width: float = 160, nose: float = 0.0, y: float = 220) -> Face:
    """Middle at (x, y); `nose` beside the middle of the eyes in inter-ocular distances."""
    apart = 0.4 * width
    points = np.array(
        [(x - apart / 2, y - 20), (x + apart / 2, y - 20), (x + nose * apart, y + 10), (x, y + 40), (0, 0), (0, 0)],
        np.float32,
    )
    return Face(x - width / 2, y - width / 2, width, width, 0.9, points)


def template(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=160)
    return (row / np.linalg.norm(row)).astype(np.float32)


def like(base: np.ndarray, cosine: float) -> np.ndarray:
    other = template(999)
    other = other - (other @ base) * base
    return (cosine * base + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)).astype(np.float32)


def test_the_same_place() -> None:
    assert same_place(face(), face(330, 165))
    assert not same_place(face(), face(480))
    assert not same_place(face(), face(320, 240))


def test_gaze_by_points_and_by_landmarks() -> None:
    assert abs(rough_yaw(face())) < 1
    assert rough_yaw(face(nose=0.3)) > 15, "positive to the person's own left, which is the picture's right"
    assert may_look(face(nose=0.25), GAZE)
    assert not may_look(face(nose=0.6), GAZE)
    assert looks(Pose(19, -19, 20), GAZE)
    for turned in (Pose(21, 0, 0), Pose(0, -21, 0), Pose(0, 0, 26), Pose(nan, 0, 0)):
        assert not looks(turned, GAZE)


def test_the_nearest_who_looks_and_does_not_rest_is_next() -> None:
    crowd = Crowd(NEAR, GAZE)
    crowd.see(0.0, [face(150, 200, nose=0.8), face(400, 170), face(550, 140), face(600, 90)])
    first = crowd.next(0.0)
    assert first is not None
    assert first.face.width == 170
    first.rest = Rests(4, 120).begin(first.face, template(1), 0.0)
    second = crowd.next(0.0)
    assert second is not None
    assert second.face.width == 140
    second.rest = Rests(4, 120).begin(second.face, template(2), 0.0)
    assert crowd.next(0.0) is None
    crowd.see(4.1, [face(400, 170)])
    assert crowd.next(4.1) is not None


def test_dwell_begins_anew_when_the_head_turns_away() -> None:
    crowd = Crowd(NEAR, GAZE)
    for index, nose in enumerate([0.0, 0.0, 0.8, 0.0, 0.0]):
        crowd.see(index / 10, [face(nose=nose)])
    assert crowd.tracks[0].dwelt(0.4) == pytest.approx(0.1)


def test_a_head_is_one_as_long_as_it_is_seen_now_and_then() -> None:
    crowd = Crowd(NEAR, GAZE)
    crowd.see(0.0, [face(300), face(500)])
    left, right = crowd.tracks
    assert not crowd.see(AWAY_SECONDS - 0.1, [face(520)])
    assert crowd.see(AWAY_SECONDS, [face(530)]) == [left]
    assert crowd.tracks == [right]


def test_rest_doubles_for_who_stays_and_not_for_who_changes() -> None:
    rests, base = Rests(4, 20), template(1)
    lengths = [rests.begin(face(), base, at).seconds for at in (0.0, 4.0, 12.0, 28.0)]
    assert lengths == [4, 8, 16, 20]
    rest = rests.begin(face(), base, 48.0)
    rest.still_there(49.0, face(width=190))
    assert not rest.over(51.9)
    assert rest.over(52.0), "came nearer: an ordinary rest is enough"
    unmasked = rests.begin(face(), base, 60.0)
    assert unmasked.same(61.0, like(base, 0.7))
    assert unmasked.over(64.0)
    assert not unmasked.same(61.0, template(2))


def test_only_what_comes_back_to_the_very_same_place_goes_on_resting() -> None:
    rests, base = Rests(4, 20), template(1)
    rest = rests.begin(face(), base, 0.0)
    assert rests.unmoved(face(323), base, 2.0) is rest
    assert rests.unmoved(face(345), base, 2.0) is None
    assert rests.unmoved(face(320, 175), base, 2.0) is None
    assert rests.unmoved(face(), template(2), 2.0) is None
    assert rests.unmoved(face(), base, 4.0) is None
    assert rests.begin(face(), base, 30.0).seconds == 4, "forgotten after the longest rest"


class Film:
    """Looks at 10 a second; faces by name, so that who is decided upon can be named."""

    def __init__(self) -> None:
        self.crowd, self.doorway, self.at = Crowd(NEAR, GAZE), Doorway(NEAR), 0.0
        self.told: list[int] = []

    def show(self, *paths: list[Face], named: int | None = None) -> None:
        for index in range(max(map(len, paths), default=10)):
            self.look([path[index] for path in paths if index < len(path)])
        if named is not None:
            x = paths[named][-1].x
            self.doorway.named(min(self.crowd.tracks, key=lambda track: abs(track.face.x - x)), self.at)

    def look(self, faces: list[Face]) -> None:
        self.at += 0.1
        gone = self.crowd.see(self.at, sorted(faces, key=lambda one: -one.width))
        found = self.doorway.gone(self.at, gone, self.crowd.tracks, *SIZE)
        if found is not None:
            self.told.append(found.faces)

    def empty(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds * 10)):
            self.look([])


def stand(x: float, width: float = 160, looks: int = 10) -> list[Face]:
    return [face(x, width)] * looks


def walk(x0: float, x1: float, w0: float, w1: float, looks: int = 10) -> list[Face]:
    return [face(x, width) for x, width in zip(np.linspace(x0, x1, looks), np.linspace(w0, w1, looks), strict=True)]


THROUGH = walk(300, 600, 150, 210)


def test_a_second_who_follows_the_one_let_in_is_told() -> None:
    film = Film()
    film.show(stand(400), named=0)
    film.show(walk(400, 600, 160, 200))
    film.empty()
    film.show(walk(250, 250, 80, 140) + THROUGH)
    film.empty()
    assert film.told == [1]


def test_a_second_beside_the_one_let_in_is_told() -> None:
    film = Film()
    film.show(stand(400), stand(180, 140), named=0)
    film.show(walk(400, 600, 160, 200), walk(180, 250, 140, 150))
    film.show(walk(250, 590, 150, 200))
    film.empty()
    assert film.told == [1]


def test_two_behind_one_are_both_told() -> None:
    film = Film()
    film.show(stand(500), stand(180, 140), named=0)
    film.show(walk(500, 600, 160, 200), stand(180, 140))
    film.show(walk(180, 50, 150, 200), walk(400, 600, 90, 200))
    film.empty()
    assert sum(film.told) == 2


def test_one_alone_is_not_told_however_they_go() -> None:
    for path in (THROUGH, walk(400, 400, 160, 200), walk(300, 300, 160, 60), stand(300)):
        film = Film()
        film.show(stand(300), named=0)
        film.show(path)
        film.empty(3)
        assert film.told == []


def test_one_who_is_lost_and_found_is_still_one() -> None:
    film = Film()
    film.show(stand(400), named=0)
    film.empty(1.0)  # looked down: no face
    film.show(walk(410, 600, 160, 210))
    film.empty(3)
    assert film.told == []


def test_who_walks_away_is_not_told() -> None:
    for path in (walk(200, 200, 150, 60), stand(300, 150), walk(300, 20, 160, 110)):
        film = Film()
        film.show(stand(450), path[:1] * 10, named=0)
        film.show(walk(450, 600, 160, 200), path)
        film.empty(3)
        assert film.told == []


def test_a_head_is_measured_narrower_where_the_edge_cuts_it() -> None:
    for x, last, told in ((600, 184, [1]), (600, 160, []), (450, 184, [])):
        film = Film()
        film.show(stand(400), named=0)
        film.show(walk(400, 600, 160, 200))
        film.empty()
        film.show(walk(250, 250, 80, 140) + walk(250, x, 200, 200) + walk(x, x, 195, last, looks=3))
        film.empty()
        assert film.told == told, (x, last)


def test_who_was_let_in_too_is_not_told_and_who_comes_late_neither() -> None:
    film = Film()
    film.show(stand(450), stand(200, 140), named=0)
    film.show(walk(450, 600, 160, 200), stand(200, 150), named=1)
    film.show(walk(200, 600, 150, 200, looks=20))
    film.empty(AFTER_SECONDS + 3)
    film.show(walk(250, 250, 80, 140) + THROUGH)
    film.empty()
    assert film.told == []


def test_a_bystander_far_away_is_no_one_who_passes() -> None:
    film = Film()
    far = replace(face(600, 90))
    film.show(stand(400), [far] * 10, named=0)
    film.show(walk(400, 600, 160, 200))
    film.empty()
    assert film.told == []
