"""Presentation attack detection over sequences: APCER by attack and BPCER (ISO/IEC 30107-3 words, not a
certified test)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from appliance.errors import DatasetError
from appliance.evaluate import figures
from appliance.evaluate.dataset import PICTURES, image_path, read_rows
from appliance.facts import LivenessVerdict, Pixels, Surround
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision.chain import VisionModels
from appliance.vision.liveness import SurroundMotion
from appliance.vision.picture import LOCAL, read_picture


@dataclass(frozen=True, slots=True)
class Presentation:
    """One presentation: pictures in order, or one video."""

    name: str
    live: bool
    attack: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the layers made of a sequence."""

    sequence: Presentation
    frames: int
    passives: tuple[float, ...]
    """Score of each frame whose largest face was near enough."""
    verdict: LivenessVerdict | None
    """None: no frame had a face to judge, so no response."""


def read_manifest(path: Path, images: Path) -> list[Presentation]:
    """CSV with the columns path,label,attack,group; a group is one sequence in order. Raises DatasetError."""
    grouped: dict[str, list[tuple[str, str, Path]]] = defaultdict(list)
    for place, row in read_rows(path, ("path", "label", "attack", "group")):
        label = row["label"].strip()
        if label not in ("live", "attack"):
            raise DatasetError(f"{place}: label = {label!r}: must be live or attack")
        file = image_path(images, row["path"], place)
        grouped[row["group"].strip() or str(file)].append((label, row["attack"].strip(), file))
    found = []
    for name, rows in grouped.items():
        label, attack, _ = rows[0]
        if any((other, kind) != (label, attack) for other, kind, _ in rows):
            raise DatasetError(f"{path}: group {name!r} mixes labels or attacks: one group is one presentation")
        found.append(Presentation(name, label == "live", attack or "unnamed", tuple(file for _, _, file in rows)))
    if not found:
        raise DatasetError(f"{path}: no rows: list at least one picture or video")
    return found


def judge(
    models: VisionModels, sequence: Presentation, recognition: RecognitionConfig, rules: LivenessConfig
) -> Outcome:
    """Run the layers on every frame of a sequence; the verdict is by all of its frames."""
    passives, motion, frames = [], SurroundMotion(), 0
    for pixels in pixels_of(sequence):
        frames += 1
        faces = models.stages.detector.find(pixels, expected=True)
        face = models.stages.meshed(pixels, faces[0]) if faces and faces[0].width >= recognition.near_face_px else None
        if face is None or face.mesh is None:
            continue
        passives.append(models.passive.score(pixels, face.mesh))
        if rules.surround:
            motion.add(pixels, face.mesh)
    return Outcome(sequence, frames, tuple(passives), _verdict(passives, motion.verdict, frames, rules))


def _verdict(
    passives: Sequence[float], surround: Surround, frames: int, rules: LivenessConfig
) -> LivenessVerdict | None:
    """Fail closed; a single picture is judged by itself, a sequence needs the frames that the door needs."""
    if not passives:
        return None
    score = median(passives)
    enough = len(passives) >= min(rules.passive_frames, frames)
    live = enough and score >= rules.passive_threshold and surround is not Surround.MOVES
    return LivenessVerdict(live, score, len(passives), surround)


def pixels_of(sequence: Presentation) -> Iterator[Pixels]:
    """Frames in order. Raises ImageError or DatasetError for a file that cannot be read."""
    for path in sequence.paths:
        if path.suffix.lower() in PICTURES:
            yield read_picture(path, LOCAL)
        else:
            yield from _video(path)


def _video(path: Path) -> Iterator[Pixels]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise DatasetError(f"{path}: neither a picture nor a video that can be read: convert it")
        while True:
            there, pixels = capture.read()
            if not there:
                return
            yield pixels
    finally:
        capture.release()


def sum_up(outcomes: Sequence[Outcome], model: str) -> dict[str, Any]:
    """The printed result. An attack without a response is none that got in; a live one without is a rejection."""
    live = [one for one in outcomes if one.sequence.live]
    attacks: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if not one.sequence.live:
            attacks[one.sequence.attack].append(one)
    let_in = {kind: sum(_live(one) for one in group) for kind, group in sorted(attacks.items())}
    rejected = sum(not _live(one) for one in live)
    return {
        "sequences": len(outcomes),
        "live": len(live),
        "attacks": {kind: len(attacks[kind]) for kind in let_in},
        "apcer": {kind: count / len(attacks[kind]) for kind, count in let_in.items()},
        "apcer_95": {kind: figures.wilson(count, len(attacks[kind])) for kind, count in let_in.items()},
        "bpcer": rejected / len(live) if live else None,
        "bpcer_95": figures.wilson(rejected, len(live)),
        "acer": _acer(let_in, attacks, rejected, live),
        "eer_by_frame": _frame_eer(outcomes),
        "no_response": sum(one.verdict is None for one in outcomes),
        "surround": {kind.value: _count(outcomes, kind) for kind in Surround},
        "model": model,
    }


def _live(one: Outcome) -> bool:
    return one.verdict is not None and one.verdict.live


def _count(outcomes: Sequence[Outcome], kind: Surround) -> dict[str, int]:
    judged = [one for one in outcomes if one.verdict and one.verdict.surround is kind]
    lives = sum(one.sequence.live for one in judged)
    return {"live": lives, "attack": len(judged) - lives}


def _acer(
    let_in: dict[str, int], attacks: dict[str, list[Outcome]], rejected: int, live: Sequence[Outcome]
) -> float | None:
    if not live or not let_in:
        return None
    worst = max(count / len(attacks[kind]) for kind, count in let_in.items())
    return (worst + rejected / len(live)) / 2


def _frame_eer(outcomes: Sequence[Outcome]) -> float | None:
    """Of the passive network alone, single frames."""
    kinds = [
        [score for one in outcomes if one.sequence.live is live for score in one.passives] for live in (True, False)
    ]
    if not all(kinds):
        return None
    return figures.equal_error_rate(np.array(kinds[0]), np.array(kinds[1]))
