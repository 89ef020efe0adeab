"""What `lintel doctor` reports."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    """It runs, but not as it should, or not the real thing."""
    FAIL = "fail"
    """The door, or a part of it, will not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    status: Status
    detail: str
    remedy: str = ""
    """What to do; empty when it is ok."""

    def as_json(self) -> dict[str, str]:
        """JSON values."""
        return {key: str(value) for key, value in asdict(self).items()}


def ok(name: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Status.OK, detail)


def warn(name: str, detail: str, remedy: str) -> Finding:
    """Worth a look."""
    return Finding(name, Status.WARN, detail, remedy)


def fail(name: str, detail: str, remedy: str) -> Finding:
    """Must be mended."""
    return Finding(name, Status.FAIL, detail, remedy)


def broken(name: str, error: Exception) -> Finding:
    """A failure told by one of the product's errors, whose message ends in the remedy."""
    detail, _, remedy = str(error).rpartition("; ")
    return fail(name, detail or str(error), remedy if detail else "see the message")
