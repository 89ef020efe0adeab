"""What a run has found so far, a line at a time, so that one that was killed goes on where it was.

The first line says by which models; a line cut short by a kill is dropped. It holds templates of the pictures,
so it is readable by its owner alone, and deleted at the end unless asked for.
"""

import fcntl
import json
import logging
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from appliance.errors import DatasetError
from appliance.facts import TEMPLATE_DIMENSIONS, Vector

log = logging.getLogger(__name__)

NAME = "unfinished.jsonl"
TEMPLATE_BYTES = 4 * TEMPLATE_DIMENSIONS


class Notebook:
    """Values by key. Without a file it forgets them all at the end."""

    def __init__(
        self, path: Path | None = None, file: TextIO | None = None, known: Mapping[str, Any] | None = None
    ) -> None:
        """Use `open`, or nothing for one without a file."""
        self._path, self._file = path, file
        self._known = dict(known or {})

    @classmethod
    def open(cls, path: Path, models: Mapping[str, str], *, strict: bool) -> Self:
        """`models`: sha256 by slot. Made by other ones it is refused, or begun anew where not `strict`.

        Raises DatasetError: another run has it, other models, damaged, cannot be written.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            file = os.fdopen(handle, "r+", encoding="utf-8", newline="\n")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(f"{path}: another run is writing to it: wait for that, or name another file") from error
        except OSError as error:
            raise DatasetError(f"{path}: {error.strerror}: name another file") from error
        try:
            known, end = _read(path, models, strict=strict)
            file.seek(end)
            file.truncate()
            if not end:
                file.write(_line({"models": dict(models)}))
                file.flush()
        except BaseException:
            file.close()
            raise
        if known:
            log.info("%s: going on after %d", path, len(known))
        return cls(path, file, known)

    def get(self, key: str) -> Any:
        """What was put there, or None."""
        return self._known.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value; with the kernel when this returns, so a kill loses nothing."""
        self._known[key] = value
        if self._file is not None:
            self._file.write(_line({"key": key, "value": value}))
            self._file.flush()

    def close(self, *, keep: bool) -> None:
        """The end of the run."""
        if self._path is not None and not keep:
            self._path.unlink(missing_ok=True)
        if self._file is not None:
            self._file.close()


def key_of(paths: Iterable[Path], *also: Any) -> str:
    """Names files as they are now: another size or time of change is another key."""
    parts: list[Any] = list(also)
    for path in paths:
        try:
            state = path.stat()
            parts += [str(path.resolve()), state.st_size, state.st_mtime_ns]
        except OSError:
            parts += [str(path), None, None]
    return json.dumps(parts)


def packed(template: Vector | None) -> str | None:
    """A template as text, exactly; None stays None."""
    return None if template is None else b64encode(template.astype("<f4").tobytes()).decode("ascii")


def unpacked(text: str | None) -> Vector | None:
    """The template again. Raises DatasetError: not (160,) float32 of length 1."""
    if text is None:
        return None
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError, TypeError) as error:
        raise DatasetError("a kept template is damaged: delete the file of the unfinished run") from error
    if len(raw) != TEMPLATE_BYTES:
        raise DatasetError(
            f"a kept template has {len(raw)} bytes, this model's have {TEMPLATE_BYTES}: it is another model's: "
            "delete the file of the unfinished run"
        )
    found = np.frombuffer(raw, "<f4").astype(np.float32)
    if not abs(float(found @ found) - 1) < 1e-3:
        raise DatasetError("a kept template has not length 1: delete the file of the unfinished run")
    return found


def _read(path: Path, models: Mapping[str, str], *, strict: bool) -> tuple[dict[str, Any], int]:
    """What it holds, and where its last whole line ends, in bytes."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    lines = content[:end].split(b"\n")[:-1]
    if not lines:
        return {}, 0
    known: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if number == 1:
                made = entry["models"]
            else:
                known[entry["key"]] = entry["value"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path}:{number}: damaged: delete the file to begin anew") from error
    if made == dict(models):
        return known, end
    if strict:
        raise DatasetError(f"{path}: {_differ(made, models)}: delete it, or name another file")
    log.warning("%s: %s: beginning anew", path, _differ(made, models))
    return {}, 0


def _differ(made: Any, models: Mapping[str, str]) -> str:
    old = made if isinstance(made, dict) else {}
    which = sorted(slot for slot in {*old, *models} if old.get(slot) != models.get(slot))
    return f"kept templates are of another model ({', '.join(which)} differ)"


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
