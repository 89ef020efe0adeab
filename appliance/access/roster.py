"""Who may ask: a snapshot of the people at one moment, as the door's rules see them.

No name, template or PIN is in it, only what a decision needs. It is replaced whole when the
store changes, never edited.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RosterPerson:
    """One person, without anything that says who they are."""

    pid: str
    """Random UUID."""
    active: bool = True
    """False: suspended."""
    extended: bool = False
    """True: the lock stays released for `door.extended_unlock_seconds`."""
    consent: bool = False
    """True: a recorded consent to face recognition stood, and was within its term, when this was loaded."""
    valid_from: float | None = None
    """UTC epoch seconds from which the person may enter; None: always."""
    valid_until: float | None = None
    """UTC epoch seconds from which the person may no longer enter; None: always."""
    groups: frozenset[str] = frozenset()
    has_templates: bool = False
    """True: at least one template of a face is stored."""
    consent_until: float | None = None
    """UTC epoch seconds from which that consent no longer stands; None: `consent` alone tells."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody the store knows, and whose PIN is whose."""

    people: Mapping[str, RosterPerson] = field(default_factory=lambda: MappingProxyType({}))
    """By pid. Suspended and expired people are in it: a refusal must be able to say why."""
    pins: Mapping[bytes, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Digest of a PIN (32 bytes, `facts.PinEntry.digest`) to pid."""
    loaded_version: int = 0
    """The store's change counter when this was loaded; a different one there means load again."""
    cards: Mapping[bytes, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Digest of a card's number (32 bytes, `facts.CardEntry.digest`) to pid."""
    duress_pins: Mapping[bytes, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Digest of a PIN for being forced to open (as `pins`) to pid. None of them is in `pins`."""

    def person(self, pid: str | None) -> RosterPerson | None:
        """Whoever has this pid, or None."""
        return self.people.get(pid) if pid is not None else None

    def by_pin(self, digest: bytes) -> RosterPerson | None:
        """Whoever has the PIN with this digest, ordinary or for duress, or None."""
        return self.person(self.pins.get(digest) or self.duress_pins.get(digest))

    def by_card(self, digest: bytes | None) -> RosterPerson | None:
        """Whoever has the card with this digest, or None."""
        return self.person(self.cards.get(digest)) if digest is not None else None
