"""What can be broken. Each message says what was wrong, where, and the remedy.

A refusal is not here: it is a value (`facts.Decision`) with a reason.
"""


class LintelError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(LintelError, ValueError):
    """A setting is unknown, of the wrong type or out of bounds."""


class ModelError(LintelError, ValueError):
    """A model file is missing, damaged or not the one the manifest names."""


class ImageError(LintelError, ValueError):
    """A picture cannot be read, or is not one."""


class EnrolmentError(LintelError, ValueError):
    """A picture is readable but cannot become a template."""


class CameraError(LintelError, OSError):
    """The camera is missing, has stalled, or sends frames that cannot be real."""


class StoreError(LintelError, OSError):
    """The database cannot be opened, read or written."""


class KeyFileError(LintelError, PermissionError):
    """The device key is missing, damaged or readable by others."""


class DoorlineError(LintelError, ValueError):
    """A datagram to the door is malformed, too large, late or from the wrong sender."""


class LockError(LintelError, OSError):
    """The relay, a button or a contact cannot be driven or read."""


class KeypadError(LintelError, OSError):
    """The keypad is missing or was unplugged."""


class ReaderError(LintelError, OSError):
    """A card reader cannot be reached."""


class BrokerError(LintelError, ConnectionError):
    """The MQTT broker cannot be reached or refuses this door."""


class DatasetError(LintelError, ValueError):
    """A list of pairs or images for an evaluation is malformed."""


class CardError(LintelError, ValueError):
    """A card's number cannot be one, or is somebody else's."""


class PassError(LintelError, ValueError):
    """A visitor's pass cannot be issued, found or drawn."""


class ScheduleError(LintelError, ValueError):
    """Hours, a calendar or a rule of the door contradict themselves or cannot be read."""
