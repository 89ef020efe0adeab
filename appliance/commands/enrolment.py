"""Photos of one person to templates in the store: all of them, or nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from appliance.commands.records import Records, Templates
from appliance.config import Config
from appliance.errors import EnrolmentError, ImageError
from appliance.facts import TEMPLATE_DIMENSIONS, Vector
from appliance.store import calibration
from appliance.store.faces import gallery
from appliance.store.lookalikes import ALIKE_COSINE, near
from appliance.system.clock import now
from appliance.vision.enrol import Shot, enrol_file
from appliance.vision.forecast import Forecast, forecast, repeats
from appliance.vision.gallery import FLOOR_FMR, FUSED_SHIFT, Gallery, fmr_table, strictest, threshold
from appliance.vision.models import Manifest, models_dir
from appliance.vision.stages import Stages

ENOUGH = 5
"""Templates of a person; more than that gains little (docs/evaluation.md)."""
CHANCE = 0.01
"""So many newcomers at most are marked as somebody's look-alike who are not."""


def read(
    config: Config, records: Records, photos: Sequence[Path], own: str | None = None, *, replace: bool = False
) -> Templates:
    """Every photo through the same chain as the camera's frames. `own`: whose they are, None for a new person;
    with `replace` they come instead of that person's templates, which then are no measure of likeness either.

    Raises EnrolmentError: some photo is no use (each is named with its reason), they show
    different people, or the face is enrolled as somebody else; ModelError.
    """
    taken = _shots(config, photos)
    templates, model = np.stack([shot.template for shot in taken]), taken[0].model
    owners, vectors = gallery(records.db, records.keys, model, now, suspended=True)
    kept = vectors[[owner == own and not replace for owner in owners]]
    if faults := _strangers(photos, templates, kept, _alike(config)):
        raise _refused(faults)
    _refuse_known(config, records, taken, own, Gallery.of(owners, vectors, model))
    alike = near(owners, vectors, templates, _lookalike(config, len(owners) * len(taken)))
    together = np.concatenate([kept, templates])
    found = forecast(together, _threshold(config, records, model, len({*owners, own or ""})))
    return Templates(templates, model, alike - {own or ""}, found, _advice(found, repeats(together)), replace)


def _advice(found: Forecast, repeated: int) -> tuple[str, ...]:
    """What would make the door know them better."""
    said = []
    if repeated:
        said.append(
            f"{repeated} of {found.pictures} photos show nothing new: add one from another angle or in other light"
        )
    if found.poor and found.pictures < ENOUGH:
        said.append(f"add photos, up to {ENOUGH} in all: from other days, angles and light, as the door will see them")
    elif found.poor:
        said.append("the photos differ much: start over with sharp ones taken at the door (`--replace`)")
    return tuple(said)


def _shots(config: Config, photos: Sequence[Path]) -> list[Shot]:
    stages = Stages.load(_directory(config), config.recognition.threads)
    taken: list[Shot] = []
    faults: list[str] = []
    for photo in photos:
        try:
            taken.append(enrol_file(stages, photo))
        except (EnrolmentError, ImageError) as error:
            faults.append(str(error))
    if faults:
        raise _refused(faults)
    return taken


def _refused(faults: Sequence[str]) -> EnrolmentError:
    return EnrolmentError("nothing was stored:\n  " + "\n  ".join(faults))


def _refuse_known(config: Config, records: Records, taken: Sequence[Shot], own: str | None, enrolled: Gallery) -> None:
    if own:
        enrolled.replace(own, np.empty((0, TEMPLATE_DIMENSIONS), np.float32))
    # By the manifest alone: a site that asks for more at the door is not to overlook who comes twice.
    limit = threshold(_table(config), len(enrolled), config.recognition.target_fpir)
    for shot in taken:
        other = enrolled.best(shot.template, shot.model)
        if other.person is not None and other.score >= limit:
            name = records.people.get(other.person).name
            raise EnrolmentError(
                f"nothing was stored: this face is enrolled already, as {name} ({other.person}): to add photos use "
                f"`lintel people enrol {other.person} PHOTO…`, to start over remove that person first"
            )


def _strangers(photos: Sequence[Path], templates: Vector, kept: Vector, alike: float) -> list[str]:
    """Photos unlike the mean of the others and of the templates that are `kept`."""
    if len(templates) + len(kept) < 2:
        return []
    total = templates.sum(axis=0) + kept.sum(axis=0)
    faults = []
    for photo, template in zip(photos, templates, strict=True):
        others = total - template
        score = float(template @ others / np.linalg.norm(others))
        if score < alike:
            faults.append(
                f"{photo}: does not look like the person in the other photos (similarity {score:.2f}, "
                f"at least {alike:.2f} is needed): leave it out"
            )
    return faults


def _threshold(config: Config, records: Records, model: str, people: int) -> float:
    """What the door asks for with so many people, by the site's own calibration too. Raises StoreError."""
    calibrated = calibration.load(records.db, model)
    site = calibrated.bounds if calibrated else ()
    return strictest(_table(config), site, people, config.recognition.target_fpir)


def _alike(config: Config) -> float:
    """Cosine of two single photos that strangers reach once in ten thousand pairs."""
    return threshold(_table(config), 1, FLOOR_FMR) - FUSED_SHIFT


def _lookalike(config: Config, comparisons: int) -> float:
    """Cosine of two single photos from which their people are marked as alike: by chance 1 newcomer in 100 is."""
    return max(ALIKE_COSINE, threshold(_table(config), comparisons, CHANCE) - FUSED_SHIFT)


def _table(config: Config) -> tuple[tuple[float, float], ...]:
    directory = _directory(config) or models_dir()
    return fmr_table(Manifest.read(directory / "manifest.toml").slots["embedder"].thresholds)


def _directory(config: Config) -> Path | None:
    return Path(config.paths.models) if config.paths.models else None
