from appliance.commands.terminal import Typed


def typed_with(keys, step=0.1, idle=10.0):
    pressed = []
    typed = Typed(pressed.append, idle)
    now = 100.0
    for key in keys:
        typed.take(key, now)
        now += step
    return typed, "".join(pressed), now


def test_digits_are_counted_and_passed_on():
    typed, pressed, now = typed_with("123")
    assert (typed.shown(now), pressed) == (3, "123")


def test_enter_sends_and_forgets():
    typed, pressed, now = typed_with("12\n")
    assert (typed.shown(now), pressed) == (0, "12#")


def test_backspace_clears_and_nonsense_is_passed_over():
    typed, pressed, now = typed_with("1x2\x7f9é")
    assert (typed.shown(now), pressed) == (1, "12*9")


def test_digits_are_forgotten_when_the_door_forgets_them():
    typed, _, now = typed_with("12", idle=10.0)
    assert typed.shown(now + 9) == 2
    assert typed.shown(now + 11) == 0
    typed.take("3", now + 11)
    assert typed.shown(now + 11) == 1


def test_q_quits_and_is_not_typed():
    typed, pressed, _ = typed_with("q")
    assert typed.quit
    assert pressed == ""
