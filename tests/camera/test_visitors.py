import numpy as np
import pytest

from appliance.camera.visitors import CYCLE, SCRIPT, Visitors, resident_pictures, scene_at
from appliance.facts import Frame, Surround
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision.chain import Chain, VisionModels
from appliance.vision.enrol import enrol_file
from appliance.vision.gallery import Gallery

RATE = 30


def test_the_script_goes_round():
    names = [scene_at(second / 10).name for second in range(int(CYCLE * 10))]
    assert [name for name, before in zip(names, [None, *names], strict=False) if name != before] == [
        name for name, _ in SCRIPT
    ]
    assert scene_at(CYCLE + 2.5).name == scene_at(2.5).name


def test_a_frame_is_its_own_and_the_same_each_time():
    visitors = Visitors(realtime=False)
    first = visitors.draw(150)
    kept = first.copy()
    for seq in range(151, 160):
        visitors.draw(seq)
    assert np.array_equal(first, kept)
    assert np.array_equal(Visitors(realtime=False).draw(150), kept)
    assert first.shape == (480, 640, 3)
    assert first.dtype == np.uint8


def test_other_sizes_and_the_end():
    visitors = Visitors(1280, 720, realtime=False)
    frames = visitors.frames()
    assert next(frames).pixels.shape == (720, 1280, 3)
    visitors.close()
    assert next(frames, None) is None


def test_a_cut_off_waist_stays_below_the_edge():
    visitors = Visitors(realtime=False)
    wall = visitors.draw(0)[-1].astype(int)
    starts = [at for at in range(int(CYCLE * RATE)) if scene_at(at / RATE).name in ("resident", "stranger", "photo")]
    for seq in starts[::4]:
        differs = np.abs(visitors.draw(seq)[-1] - wall).max(axis=1) > 8
        # Somebody who has left the picture to the right leaves nothing behind.
        assert differs.any() or scene_at(seq / RATE).since > 6


@pytest.fixture(scope="module")
def conclusions():
    """What the real chain makes of one round of the script."""
    models = VisionModels.load()
    shots = [enrol_file(models.stages, path) for path in resident_pictures()]
    gallery = Gallery.of(["resident"] * len(shots), np.stack([shot.template for shot in shots]), shots[0].model)
    chain = Chain(models, gallery, RecognitionConfig(), LivenessConfig())
    visitors = Visitors(realtime=False)
    seen = {}
    for seq in range(int(CYCLE * RATE)):
        match = chain.step(Frame(seq, 100 + seq / RATE, visitors.draw(seq))).match
        if match:
            seen.setdefault(scene_at(seq / RATE).name, []).append(match)
    return seen


def test_the_resident_is_recognised_and_alive(conclusions):
    assert conclusions["resident"]
    assert {match.person for match in conclusions["resident"]} == {"resident"}
    assert all(match.liveness.live and match.liveness.surround is Surround.STILL for match in conclusions["resident"])
    assert all(match.liveness.passive > 0.9 and match.score > 0.6 for match in conclusions["resident"])


def test_the_stranger_is_nobody(conclusions):
    assert conclusions["stranger"]
    assert {match.person for match in conclusions["stranger"]} == {None}


def test_the_photo_is_not_alive(conclusions):
    assert conclusions["photo"]
    assert not any(match.liveness.live for match in conclusions["photo"])
    assert {match.liveness.surround for match in conclusions["photo"]} == {Surround.MOVES}


def test_nobody_else_is_seen(conclusions):
    assert set(conclusions) == {"resident", "stranger", "photo"}


def test_two_who_come_together_are_decided_upon_one_by_one_and_a_poster_seldom():
    models = VisionModels.load()
    shots = [enrol_file(models.stages, path) for path in resident_pictures()]
    gallery = Gallery.of(["resident"] * len(shots), np.stack([shot.template for shot in shots]), shots[0].model)

    def decisions(script, seconds):
        chain = Chain(models, gallery, RecognitionConfig(), LivenessConfig())
        visitors = Visitors(rate=10, realtime=False, script=script)
        glimpses = [chain.step(Frame(seq, 100 + seq / 10, visitors.draw(seq))) for seq in range(seconds * 10)]
        return [glimpse.match for glimpse in glimpses if glimpse.match]

    both = decisions((("two", 5.5), ("empty", 2.0)), 6)
    assert sorted(str(match.person) for match in both) == ["None", "resident"]
    assert len(decisions((("poster", 60.0),), 20)) <= 3
