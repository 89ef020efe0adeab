"""Lists of pictures on disk -> checked rows. Every message names the file and the line."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DatasetError

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures to compare."""

    a: Path
    b: Path
    same: bool
    fold: str
    """Empty where the list has no such column."""
    group: str


def read_pairs(path: Path, images: Path) -> list[Pair]:
    """CSV with the columns a,b,same and perhaps fold,group. Raises DatasetError."""
    pairs = []
    for place, row in read_rows(path, ("a", "b", "same")):
        if row["same"].strip() not in ("0", "1"):
            raise DatasetError(f"{place}: column same = {row['same']!r}: must be 1 or 0")
        files = [image_path(images, row[key], f"{place}: column {key}") for key in ("a", "b")]
        fold, group = ((row.get(key) or "").strip() for key in ("fold", "group"))
        pairs.append(Pair(files[0], files[1], row["same"].strip() == "1", fold, group))
    if {pair.same for pair in pairs} != {True, False}:
        raise DatasetError(f"{path}: needs pairs of both kinds, same = 1 and same = 0")
    if len({bool(pair.fold) for pair in pairs}) > 1:
        raise DatasetError(f"{path}: some rows have a fold and some do not: fill in the column or drop it")
    return pairs


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row with its place, `file:line`, for messages. Raises DatasetError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}: name a CSV file") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8 text ({error.reason}): save it as UTF-8") from error
    reader = csv.DictReader(text.splitlines())
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(
            f"{path}:1: the first line must name the columns {', '.join(columns)}; {missing[0]} is missing"
        )
    for row in reader:
        place = f"{path}:{reader.line_num}"
        if None in row or any(row[column] is None for column in columns):
            raise DatasetError(f"{place}: must have as many fields as the first line")
        yield place, row


def image_path(images: Path, name: str, place: str) -> Path:
    """The file `name` under `images`. Raises DatasetError where there is none."""
    path = images / name.strip()
    if not name.strip() or not path.is_file():
        raise DatasetError(f"{place}: {path} does not exist: check the list and --images")
    return path


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of one folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
