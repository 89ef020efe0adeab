"""Who must never be let in, and whom to tell."""

from dataclasses import dataclass

from appliance.facts import ClockQuality, Moment


@dataclass(frozen=True, slots=True)
class Ban:
    """The door never opens for this person, and security is told each time he asks."""

    reason: str
    """A stable word for the record, such as `stolen_pin`; never a story about somebody."""
    until: float | None = None
    """UTC epoch seconds at which it ends; None: when somebody lifts it."""

    def stands(self, now: Moment) -> bool:
        """Whether it holds. While the clock is unknown every ban does: none can be known to be over."""
        if self.until is None or now.quality is ClockQuality.UNKNOWN:
            return True
        return not now.utc >= self.until
