"""The simulated site: one enrolled resident, and a hand that types their PIN when the script says so."""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.camera.visitors import resident_pictures
from appliance.commands.enrolment import read
from appliance.commands.records import open_records, store
from appliance.config import Config
from appliance.store.consent import given
from appliance.system.clock import now

PIN_SCENE = "pin"
"""The scene of the bundled visitors in which somebody types instead of looking."""
KEY_SECONDS = 0.18
"""Between two keys: an unhurried hand."""


@dataclass(slots=True)
class Typist:
    """Types a PIN once each time the PIN scene comes round."""

    pin: str
    press: Callable[[str], None]
    _left: str = ""
    _next_at: float = 0.0
    _scene: str | None = None

    def tick(self, now: float, scene: str | None) -> None:
        """Look at the scene and press the key that is due. `now` in monotonic seconds."""
        if scene == PIN_SCENE and self._scene != PIN_SCENE:
            self._left, self._next_at = f"{self.pin}#", now + 1.0
        self._scene = scene
        if self._left and now >= self._next_at:
            self.press(self._left[0])
            self._left, self._next_at = self._left[1:], now + KEY_SECONDS


RESIDENT = "Simulated Resident"


def enrol_resident(config: Config) -> str:
    """Enrol the person whom the script sends to the door, if that was not done before. Returns a fresh PIN for them.

    Raises StoreError, KeyFileError, ModelError, EnrolmentError.
    """
    with open_records(config) as records:
        person = next((one for one in records.people.list() if one.name == RESIDENT), None)
        if person is None:
            templates = read(config, records, resident_pictures())
            consent = given(now().utc, "simulation")
            person = records.people.add(RESIDENT, by="simulation", consent=consent)
            store(records, person.pid, templates)
        return records.people.set_pin(person.pid, by="simulation")
