"""Presentation attack detection over sequences: APCER by attack and BPCER (ISO/IEC 30107-3 words, not a
certified test)."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from appliance.access.liveness import Needs, objection
from appliance.errors import DatasetError, ImageError
from appliance.evaluate import figures
from appliance.evaluate.dataset import PICTURES, image_path, read_rows
from appliance.evaluate.notebook import Notebook, key_of
from appliance.facts import Challenge, LivenessVerdict, Pixels, Surround
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision.chain import VisionModels
from appliance.vision.liveness import SurroundMotion
from appliance.vision.picture import LOCAL, read_picture

log = logging.getLogger(__name__)

MOST_NAMED = 100
"""Of the pictures that cannot be read, those that the result names; the log names all."""


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
    """Pictures that could be read."""
    passives: tuple[float, ...]
    """Score of each frame whose largest face was near enough."""
    verdict: LivenessVerdict | None
    """None: no frame had a face to judge, so no response."""
    corrupt: tuple[Path, ...] = ()
    """Pictures that could not be read."""


def read_manifest(path: Path, images: Path) -> list[Presentation]:
    """CSV with the columns path,label,attack,group; a group is one sequence in order. Raises DatasetError."""
    grouped: dict[str, Presentation] = {}
    for place, row in read_rows(path, ("path", "label", "attack", "group")):
        label = row["label"].strip()
        if label not in ("live", "attack"):
            raise DatasetError(f"{place}: label = {label!r}: must be live or attack")
        file = image_path(images, row["path"], f"{place}: path")
        live, attack, name = label == "live", row["attack"].strip() or "unnamed", row["group"].strip() or str(file)
        before = grouped.get(name, Presentation(name, live, attack, ()))
        for column, same in (("label", before.live is live), ("attack", live or before.attack == attack)):
            if not same:
                raise DatasetError(
                    f"{place}: {column} = {row[column]!r}: group {name!r} mixes labels or attacks: "
                    "one group is one presentation"
                )
        grouped[name] = replace(before, paths=(*before.paths, file))
    found = list(grouped.values())
    if not found:
        raise DatasetError(f"{path}: no rows: list at least one picture or video")
    return found


def judge(
    models: VisionModels, sequence: Presentation, recognition: RecognitionConfig, rules: LivenessConfig
) -> Outcome:
    """Run the layers on every frame of a sequence; the verdict is by all of its frames."""
    passives, motion, frames = [], SurroundMotion(), 0
    corrupt: list[Path] = []
    for pixels in pixels_of(sequence, corrupt):
        frames += 1
        faces = models.stages.detector.find(pixels, expected=True)
        face = models.stages.meshed(pixels, faces[0]) if faces and faces[0].width >= recognition.near_face_px else None
        if face is None or face.mesh is None:
            continue
        passives.append(models.passive.score(pixels, face.mesh))
        if rules.surround:
            motion.add(pixels, face.mesh)
    verdict = _verdict(passives, motion.verdict, motion.share, frames, rules)
    return Outcome(sequence, frames, tuple(passives), verdict, tuple(corrupt))


def judge_all(
    models: VisionModels,
    sequences: Sequence[Presentation],
    recognition: RecognitionConfig,
    rules: LivenessConfig,
    *,
    progress: Callable[[int, int], None],
    notebook: Notebook,
) -> list[Outcome]:
    """Each sequence, or what the notebook has of it. `progress(done, total)` is called after each."""
    outcomes = []
    for done, sequence in enumerate(sequences, 1):
        key = key_of(sequence.paths, sequence.name, recognition.near_face_px, rules.surround)
        if (kept := notebook.get(key)) is None:
            outcome = judge(models, sequence, recognition, rules)
            notebook.put(key, _noted(outcome))
        else:
            outcome = _recalled(sequence, kept, rules)
        outcomes.append(outcome)
        progress(done, len(sequences))
    return outcomes


def _noted(outcome: Outcome) -> list[Any]:
    """What was seen; what follows from it by the rules is worked out again."""
    verdict = outcome.verdict
    surround = verdict.surround if verdict else Surround.ABSTAINS
    share = verdict.surround_share if verdict else None
    return [outcome.frames, outcome.passives, surround.value, share, [str(path) for path in outcome.corrupt]]


def _recalled(sequence: Presentation, kept: Any, rules: LivenessConfig) -> Outcome:
    frames, passives, surround, share, corrupt = kept
    verdict = _verdict(passives, Surround(surround), share, frames, rules)
    return Outcome(sequence, frames, tuple(passives), verdict, tuple(Path(path) for path in corrupt))


def _verdict(
    passives: Sequence[float], surround: Surround, share: float | None, frames: int, rules: LivenessConfig
) -> LivenessVerdict | None:
    """By the door's own rule (`access.liveness`); a single picture is judged by itself, a sequence needs the frames
    that the door needs.

    A recording cannot be asked to turn its head: at `high` and `strict` that counts as done, which favours attacks.
    """
    if not passives:
        return None
    turned = Challenge.NOT_ASKED if rules.level == "standard" else Challenge.PASSED
    found = LivenessVerdict(False, median(passives), len(passives), surround, share, turned, level=rules.level)
    needs = Needs(rules.level, rules.passive_threshold, min(rules.passive_frames, frames))
    against = objection(found, needs)
    return replace(found, live=against is None, objection=against)


def pixels_of(sequence: Presentation, corrupt: list[Path]) -> Iterator[Pixels]:
    """Frames in order; pictures that cannot be read are named, left out and added to `corrupt`.

    Raises DatasetError for a video that cannot be read.
    """
    for path in sequence.paths:
        if path.suffix.lower() not in PICTURES:
            yield from _video(path)
            continue
        try:
            pixels = read_picture(path, LOCAL)
        except ImageError as error:
            log.warning("left out of group %r: %s", sequence.name, error)
            corrupt.append(path)
            continue
        yield pixels


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


def sum_up(outcomes: Sequence[Outcome], model: str, rules: LivenessConfig) -> dict[str, Any]:
    """The printed result. An attack without a response is none that got in; a live one without is a rejection."""
    live = [one for one in outcomes if one.sequence.live]
    attacks: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if not one.sequence.live:
            attacks[one.sequence.attack].append(one)
    let_in = {kind: sum(_live(one) for one in group) for kind, group in sorted(attacks.items())}
    rejected = sum(not _live(one) for one in live)
    by_attack = {kind: count / len(attacks[kind]) for kind, count in let_in.items()}
    return {
        "groups": len(outcomes),
        "live": len(live),
        "attacks": len(outcomes) - len(live),
        "bpcer": rejected / len(live) if live else None,
        "apcer": max(by_attack.values(), default=None),
        "apcer_by_attack": by_attack,
        "abstained": sum(one.verdict is not None and one.verdict.surround is Surround.ABSTAINS for one in outcomes),
        "level": rules.level,
        "failures_to_acquire": sum(one.verdict is None for one in outcomes),
        "attacks_by_kind": {kind: len(attacks[kind]) for kind in let_in},
        "apcer_95": {kind: figures.wilson(count, len(attacks[kind])) for kind, count in let_in.items()},
        "bpcer_95": figures.wilson(rejected, len(live)),
        "acer": _acer(let_in, attacks, rejected, live),
        "eer_by_frame": _frame_eer(outcomes),
        "hand_held": not rules.surround,
        "surround": {kind.value: _count(outcomes, kind) for kind in Surround},
        "corrupt": sum(len(one.corrupt) for one in outcomes),
        "corrupt_files": [str(path) for one in outcomes for path in one.corrupt][:MOST_NAMED],
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
