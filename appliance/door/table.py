"""The lock's transition table: every state by every signal, and what each is called in the record."""

from enum import StrEnum


class State(StrEnum):
    """What the door is doing."""

    LOCKED = "LOCKED"
    UNLOCKED = "UNLOCKED"
    """Released, and not opened yet."""
    OPEN = "OPEN"
    HELD = "HELD"
    """Open for too long."""
    FORCED = "FORCED"
    """Opened without a cause. Ends when the door closes, whatever happens in between."""
    LOCKDOWN = "LOCKDOWN"
    """Locked to everybody outside. Inside, nothing changes."""
    RELEASED = "RELEASED"
    """Fire."""


class Signal(StrEnum):
    """What an input means to the door as it stands."""

    GRANT = "grant"
    REX = "rex"
    OPENED = "opened"
    OPENED_LATE = "opened_late"
    CLOSED = "closed"
    RELOCK_DUE = "relock_due"
    HELD_DUE = "held_due"
    FIRE = "fire"
    FIRE_END = "fire_end"
    LOCKDOWN = "lockdown"
    LOCKDOWN_END = "lockdown_end"


PASSABLE = frozenset({State.UNLOCKED, State.OPEN, State.HELD})
"""Where somebody who was let in may be on the way through."""
SETTLE = None
"""In place of a state: wherever contact, remaining release and lockdown put the door (`_settled`)."""

_S, _G = State, Signal
TABLE: dict[State, dict[Signal, State | None]] = {
    # A signal that is not in a state's row changes nothing in that state.
    _S.LOCKED: {
        _G.GRANT: _S.UNLOCKED, _G.REX: _S.UNLOCKED, _G.OPENED: _S.FORCED, _G.OPENED_LATE: _S.OPEN,
        _G.FIRE: _S.RELEASED, _G.LOCKDOWN: _S.LOCKDOWN,
    },
    _S.UNLOCKED: {
        _G.GRANT: _S.UNLOCKED, _G.REX: _S.UNLOCKED, _G.OPENED: _S.OPEN, _G.OPENED_LATE: _S.OPEN,
        _G.RELOCK_DUE: SETTLE, _G.FIRE: _S.RELEASED, _G.LOCKDOWN: SETTLE, _G.LOCKDOWN_END: _S.UNLOCKED,
    },
    _S.OPEN: {
        _G.GRANT: _S.OPEN, _G.REX: _S.OPEN, _G.CLOSED: SETTLE, _G.RELOCK_DUE: _S.OPEN, _G.HELD_DUE: _S.HELD,
        _G.FIRE: _S.RELEASED, _G.LOCKDOWN: _S.OPEN, _G.LOCKDOWN_END: _S.OPEN,
    },
    _S.HELD: {
        _G.GRANT: _S.HELD, _G.REX: _S.HELD, _G.CLOSED: SETTLE, _G.RELOCK_DUE: _S.HELD,
        _G.FIRE: _S.RELEASED, _G.LOCKDOWN: _S.HELD, _G.LOCKDOWN_END: _S.HELD,
    },
    _S.FORCED: {
        _G.GRANT: _S.FORCED, _G.REX: _S.FORCED, _G.CLOSED: SETTLE, _G.RELOCK_DUE: _S.FORCED,
        _G.FIRE: _S.RELEASED, _G.LOCKDOWN: _S.FORCED, _G.LOCKDOWN_END: _S.FORCED,
    },
    _S.LOCKDOWN: {
        _G.REX: _S.UNLOCKED, _G.OPENED: _S.FORCED, _G.OPENED_LATE: _S.OPEN,
        _G.FIRE: _S.RELEASED, _G.LOCKDOWN_END: _S.LOCKED,
    },
    _S.RELEASED: {
        _G.GRANT: _S.RELEASED, _G.REX: _S.RELEASED, _G.OPENED: _S.RELEASED, _G.OPENED_LATE: _S.RELEASED,
        _G.CLOSED: _S.RELEASED, _G.FIRE_END: SETTLE, _G.LOCKDOWN: _S.RELEASED, _G.LOCKDOWN_END: _S.RELEASED,
    },
}  # fmt: skip

RECORDED = {
    Signal.OPENED: "opened",
    Signal.OPENED_LATE: "opened",
    Signal.CLOSED: "closed",
    Signal.HELD_DUE: "held",
    Signal.FIRE: "released",
    Signal.FIRE_END: "fire_end",
    Signal.LOCKDOWN: "lockdown",
    Signal.LOCKDOWN_END: "lockdown_end",
}
"""What the record says of a signal that was heard. Of the others the lock's own events tell."""
