"""From keys to a finished PIN."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.door.pinpad import KEYS, LONGEST, Pinpad


def typed(keys, pad=None, now=0.0):
    pad = pad or Pinpad(10)
    return [pin for key in keys if (pin := pad.press(key, now)) is not None]


def test_digits_then_enter():
    assert typed("123456#") == ["123456"]
    assert typed("123456#654321#") == ["123456", "654321"]


def test_clear():
    assert typed("129*123456#") == ["123456"]


def test_enter_alone_is_nothing():
    assert typed("##*#") == []


def test_other_keys_are_nothing():
    assert typed("1a2 3é#") == ["123"]


def test_too_long_stays_too_long():
    assert typed("12345678#") == ["12345678"]
    assert typed("1234567890123#") == ["123456789"]


def test_forgotten_after_a_pause():
    pad = Pinpad(10)
    typed("123", pad, 0.0)
    assert typed("456#", pad, 9.9) == ["123456"]
    typed("123", pad, 20.0)
    assert typed("456#", pad, 30.0) == ["456"]
    typed("123", pad, 40.0)
    pad.idle(51.0)
    assert pad._digits == ""
    typed("123", pad, 60.0)
    pad.forget()
    assert typed("#", pad, 60.0) == []


def test_its_text_tells_no_digit():
    pad = Pinpad(10)
    typed("77", pad)
    assert "7" not in repr(pad)


@given(st.text(alphabet=sorted(KEYS), max_size=40))
def test_what_comes_out_was_typed(keys):
    for pin in typed(keys):
        assert 1 <= len(pin) <= LONGEST + 1
        assert pin in keys.replace("*", "#")
