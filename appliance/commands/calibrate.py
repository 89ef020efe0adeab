"""`lintel calibrate`: set the threshold by the faces of this site's own people, who consented to be matched."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands.records import BY, Records, open_records
from appliance.config import Config
from appliance.errors import DatasetError
from appliance.evaluate.tail import LEAST_PEOPLE, Calibrated, fpir
from appliance.facts import Vector
from appliance.store import calibration
from appliance.store.calibration import Calibration, Point
from appliance.store.faces import gallery
from appliance.system.clock import now
from appliance.vision.gallery import FLOOR_FMR, fmr_table, strictest, threshold
from appliance.vision.models import Manifest, models_dir

RATES = tuple(10.0 ** -(3 + step / 4) for step in range(29))
"""FMR 1e-3 to 1e-10, close enough to be read between in a straight line."""
MANY = 0.1
"""Share of people's own pictures below the threshold from which nothing is stored unasked."""
LEEWAY = 1.05
"""The bootstrap's own noise, which words do not tell from the target."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with what is found."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be, and change nothing")
    parser.add_argument(
        "--even-so", action="store_true", help="store it though many of the enrolled pictures would not reach it"
    )
    parser.add_argument("--forget", action="store_true", help="go back to the table of the model's manifest")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap: the same, the same (0)")


def run(args: argparse.Namespace, config: Config) -> int:
    """Words, and one JSON object as the last line. Returns 1 if it was not stored for what it would cost.

    Raises DatasetError: too few people; StoreError, KeyFileError.
    """
    with open_records(config) as records:
        return _forget(records) if args.forget else _calibrate(args, config, records)


def _forget(records: Records) -> int:
    forgotten = calibration.forget(records.db, BY, now, records.log)
    print("the manifest's table alone is in force" + ("" if forgotten else ", as before"))
    print(json.dumps({"forgotten": forgotten}))
    return 0


def _calibrate(args: argparse.Namespace, config: Config, records: Records) -> int:
    directory = Path(config.paths.models) if config.paths.models else models_dir()
    slot = Manifest.read(directory / "manifest.toml").slots["embedder"]
    model = f"sha256:{slot.sha256[:12]}"
    owners, vectors = gallery(records.db, records.keys, model, now)
    people, means = means_of(owners, vectors)
    if len(people) < LEAST_PEOPLE:
        raise DatasetError(_too_few(records, len(people), model))
    found = Calibrated.of(means, args.seed)
    table = tuple(Point(rate, *found.cosine_at(rate)) for rate in RATES)
    kept = Calibration(model, now().utc, found.people, found.pairs, table)
    manifest, target = fmr_table(slot.thresholds), config.recognition.target_fpir
    in_force = strictest(manifest, kept.bounds, len(people), target)
    own = own_pictures(owners, vectors, in_force)
    costly = own["below_threshold"] > MANY * own["counted"]
    stored = not args.dry_run and (args.even_so or not costly)
    told: dict[str, Any] = {
        "model": model,
        "people": len(people),
        "calibrated_on": found.people,
        "pairs": found.pairs,
        "templates": len(owners),
        "seed": args.seed,
        "tail": {"from": found.tail.start, "scale": found.tail.scale, "shape": found.tail.shape},
        "table": [{"fmr": one.fmr, "cosine": one.cosine, "low": one.low, "high": one.high} for one in table],
        "target_fpir": target,
        "fmr_wanted": min(FLOOR_FMR, target / len(people)),
        "threshold": in_force,
        "threshold_of_manifest": threshold(manifest, len(people), target),
        "fpir": dict(zip(("estimate", "low", "high"), _fpirs(found, in_force, len(people)), strict=True)),
        "own_pictures": own,
        "nearest": [{"a": people[a], "b": people[b], "cosine": score} for a, b, score in found.nearest],
        "costly": costly,
        "stored": stored,
    }
    if stored:
        calibration.save(records.db, kept, BY, now, records.log)
    print("\n".join([*words(told), _end(args, told)]))
    print(json.dumps(told))
    return 0 if stored or args.dry_run else 1


def means_of(owners: Sequence[str], vectors: Vector) -> tuple[list[str], Vector]:
    """Everybody once, and the mean of their templates at length 1, as they are matched: (people, 160) float32."""
    people = sorted(set(owners))
    rows = np.searchsorted(np.array(people, dtype=str), np.array(owners, dtype=str))
    sums = np.zeros((len(people), vectors.shape[1]), np.float32)
    np.add.at(sums, rows, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return people, np.asarray(sums / np.maximum(lengths, 1e-6), np.float32)


def own_pictures(owners: Sequence[str], vectors: Vector, cosine: float) -> dict[str, Any]:
    """How people's pictures, one at a time, compare with the mean of their other pictures."""
    names, below, counted = np.array(owners, dtype=object), 0, 0
    for person in sorted(set(owners)):
        rows = vectors[names == person]
        if len(rows) < 2:
            continue
        others = rows.sum(axis=0) - rows
        scores = np.sum(rows * others, axis=1) / np.linalg.norm(others, axis=1)
        below, counted = below + int(np.sum(scores < cosine)), counted + len(rows)
    return {"counted": counted, "below_threshold": below}


def words(told: dict[str, Any]) -> list[str]:
    """The same for people."""
    chance, own = told["fpir"], told["own_pictures"]
    lines = [
        f"{told['people']} people, {told['pairs']:,} pairs of them compared.",
        f"Threshold {told['threshold']:.3f}; the model's own table alone says {told['threshold_of_manifest']:.3f}.",
        f"A stranger gets in less than once in {_once(chance['high'])} tries"
        f" (95 % sure; the best estimate is once in {_once(chance['estimate'])}), liveness aside.",
    ]
    if chance["high"] > told["target_fpir"] * LEEWAY:
        lines.append(f"That is more than the wanted {told['target_fpir']:g}: enrol more people and calibrate again.")
    if own["counted"]:
        below = f"Of {own['counted']} enrolled pictures {own['below_threshold']} would not reach it on their own"
        lines.append(f"{below}; the door takes three frames together.")
    if told["costly"]:
        lines.append(
            "That is many: people would be turned away. More people make the bound narrower, better pictures help."
        )
    lines += [
        f"{pair['a']} and {pair['b']} look alike ({pair['cosine']:.2f}): one person twice, or twins?"
        for pair in told["nearest"]
        if pair["cosine"] >= told["threshold"]
    ]
    return lines


def _end(args: argparse.Namespace, told: dict[str, Any]) -> str:
    if told["stored"]:
        return "Stored: in force at once."
    return "Nothing was changed (--dry-run)." if args.dry_run else "Not stored for that reason: --even-so stores it."


def _fpirs(found: Calibrated, cosine: float, people: int) -> tuple[float, ...]:
    return tuple(fpir(rate, people) for rate in found.fmr_at(cosine))


def _once(chance: float) -> str:
    """The reciprocal, rounded down to one digit, but for LEEWAY."""
    if chance < 1e-12:
        return "a million million"
    tries = LEEWAY / chance
    digit = 10 ** int(np.floor(np.log10(tries)))
    return f"{int(tries / digit) * digit:,}"


def _too_few(records: Records, people: int, model: str) -> str:
    others = records.db.execute("SELECT COUNT(DISTINCT pid) FROM templates WHERE model <> ?", (model,)).fetchone()[0]
    who = "1 person is" if people == 1 else f"{people} people are"
    said = f"{who} enrolled with this model ({model}) and a standing consent"
    said += f", and {others} with another one, whose templates say nothing of it" if others else ""
    return f"{said}: calibrating needs {LEAST_PEOPLE}; until then the table of the model's manifest stays in force"
