from dataclasses import replace
from math import nan

import pytest

from appliance.access.liveness import Needs, objection
from appliance.facts import Challenge, Evidence, LivenessVerdict, Surround

ALL = LivenessVerdict(False, 0.9, 5, Surround.STILL, challenge=Challenge.PASSED, size=Evidence.FOR, light=Evidence.FOR)


def at(level: str, **seen: object) -> str | None:
    return objection(replace(ALL, **seen), Needs(level))


@pytest.mark.parametrize("level", ["standard", "high", "strict"])
def test_a_face_that_proved_everything_is_live_at_every_level(level: str) -> None:
    assert at(level) is None


@pytest.mark.parametrize("level", ["standard", "high", "strict", "unheard_of"])
@pytest.mark.parametrize(
    ("seen", "layer"),
    [
        ({"passive": 0.69}, "passive"),
        ({"passive": nan}, "passive"),
        ({"frames": 4}, "passive"),
        ({"surround": Surround.MOVES}, "surround"),
        ({"size": Evidence.AGAINST}, "size"),
        ({"light": Evidence.AGAINST}, "light"),
        ({"challenge": Challenge.FAILED}, "challenge"),
    ],
)
def test_one_layer_that_objects_outweighs_the_rest(level: str, seen: dict[str, object], layer: str) -> None:
    assert at(level, **seen) == layer


def test_what_may_be_silent_depends_on_the_level() -> None:
    assert at("standard", surround=Surround.ABSTAINS, challenge=Challenge.NOT_ASKED) is None
    assert at("high", surround=Surround.ABSTAINS) is None
    assert at("high", challenge=Challenge.NOT_ASKED) == "challenge"
    assert at("strict", surround=Surround.ABSTAINS) == "surround"
    assert at("strict", challenge=Challenge.NOT_ASKED) == "challenge"
    assert at("strict", size=Evidence.ABSTAINS, light=Evidence.ABSTAINS) is None, "few doors have the hardware"


def test_an_unknown_level_asks_for_everything() -> None:
    assert at("unheard_of", surround=Surround.ABSTAINS) == "surround"
    assert at("unheard_of", challenge=Challenge.NOT_ASKED) == "challenge"
    assert at("unheard_of") is None
