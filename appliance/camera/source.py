"""What every source of frames offers."""

from collections.abc import Iterator
from typing import Protocol

from appliance.facts import Frame


class Camera(Protocol):
    """A source of frames. One thread iterates; `close` may come from another and more than once."""

    def frames(self) -> Iterator[Frame]:
        """Frames in order, the latest each time: what was not taken in time is dropped. Ends when the source does.

        A frame's pixels are its own and never written again. Raises CameraError.
        """
        ...

    def close(self) -> None:
        """Stop and give the device back."""
        ...
