"""The privacy notice that is shown before a face is enrolled, and the record that someone agreed to it."""

from dataclasses import dataclass

from appliance.errors import EnrolmentError

NOTICE_VERSION = "2026-1"
"""Changes with every change of NOTICE. A consent says which version it was given to."""

EARLIEST_UTC = 1_735_689_600.0
"""2025-01-01: a clock before this was never set."""

TERM_DAYS = 1095
"""A consent ends after three years at the latest (Illinois BIPA, 740 ILCS 14/15(a))."""

NOTICE = f"""\
Opening this door with your face is your choice. A PIN opens it just as well and as fast.

What is kept     A list of 160 numbers computed from each picture of your face, encrypted, on
                 this device only. The pictures themselves are not kept.
What for         To open this door for you. Nothing else is derived from it: no age, no mood,
                 no gender, and nobody is followed from place to place.
How long         Until you withdraw, until you are removed, or {TERM_DAYS // 365} years, whichever comes first.
Also recorded    When the door opened or refused, under a random number instead of your name.
Your rights      To see what is kept, to have it corrected, handed over or erased, and to
                 withdraw at any time without giving a reason. Erasure is immediate.
"""


@dataclass(frozen=True, slots=True)
class Consent:
    """That somebody agreed to the notice."""

    notice: str
    """Version of the notice."""
    given_at: float
    """UTC epoch seconds."""
    recorded_by: str
    """Who recorded it: an administrator's id, `cli`."""
    expires_at: float
    """UTC epoch seconds. From then on templates are not used, and the daily job deletes them."""


def given(utc: float, by: str, days: int = TERM_DAYS) -> Consent:
    """Consent to today's notice, given at `utc` (epoch seconds) for `days`.

    Raises ValueError: beyond the longest term. EnrolmentError: the clock was never set, so the
    term would be over as soon as it is.
    """
    if not 1 <= days <= TERM_DAYS:
        raise ValueError(f"a consent of {days} days: must be 1 to {TERM_DAYS}")
    if utc < EARLIEST_UTC:
        raise EnrolmentError("a consent has a date and a term, and this device's clock is not set: set it first")
    return Consent(NOTICE_VERSION, utc, by, utc + days * 86400)
