"""`lintel evaluate …`: error rates of this appliance's own chain on a folder of images."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands.progress import shown
from appliance.config import Config
from appliance.errors import DatasetError
from appliance.evaluate import identification, liveness, report, speed, verification
from appliance.evaluate.dataset import read_pairs
from appliance.evaluate.notebook import NAME, Notebook
from appliance.evaluate.probe import templates_of
from appliance.evaluate.provenance import model_hashes, provenance
from appliance.vision.chain import VisionModels
from appliance.vision.stages import Stages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each kind of measurement."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    pairs = kinds.add_parser("verification", help="1:1 over a list of pairs: accuracy, EER, TAR at FMR")
    pairs.add_argument("list", type=Path, metavar="PAIRS.csv", help="columns a,b,same and perhaps fold,group")
    _common(pairs, required=True)
    people = kinds.add_parser("identification", help="1:N open set over a folder per person: FNIR at FPIR")
    people.add_argument("--enrol", type=int, default=1, metavar="N", help="pictures to enrol of each person (1)")
    people.add_argument("--probe-frames", type=int, default=1, metavar="K", help="pictures fused into one probe (1)")
    people.add_argument("--draws", type=int, default=1, metavar="D", help="choices of pictures to average over (1)")
    people.add_argument("--seed", type=int, default=0, metavar="S", help="of the choices; the first of 0 is by name")
    _common(people, required=True)
    shows = kinds.add_parser("liveness", help="attack detection over sequences: APCER, BPCER")
    shows.add_argument("list", type=Path, metavar="MANIFEST.csv", help="columns path,label,attack,group")
    shows.add_argument("--hand-held", action="store_true", help="the camera moved: leave the surround's motion out")
    _common(shows, required=False)
    large = kinds.add_parser("speed", help="load, search and change a large gallery of invented templates")
    large.add_argument("--people", type=int, default=50_000, metavar="N", help="how many (50000)")
    large.add_argument("--templates", type=int, default=3, metavar="N", help="of each person (3)")
    large.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same people (0)")
    large.set_defaults(report=None)


def _common(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--images", type=Path, required=required, metavar="DIR", help="folder the list's paths are in")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write result.json, scores.csv and index.html here")
    parser.add_argument("--resume", type=Path, metavar="FILE",
                        help=f"note what is found here, and go on from it (DIR/{NAME} with --report)")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="leave that file, which holds templates, for the next run")


def run(args: argparse.Namespace, config: Config) -> int:
    """Measure, write the report if asked, print one JSON object as the last line."""
    if args.report:
        report.prepare(args.report)
    kinds: dict[str, Callable[[argparse.Namespace, Config], dict[str, Any]]] = {
        "verification": _verification,
        "identification": _identification,
        "liveness": _liveness,
        "speed": _speed,
    }
    print(json.dumps(kinds[args.kind](args, config)), flush=True)
    return 0


@contextmanager
def _notebook(args: argparse.Namespace, config: Config) -> Iterator[Notebook]:
    """Stays where the run does not come to its end."""
    path = args.resume or (args.report / NAME if args.report else None)
    if path is None:
        yield Notebook()
        return
    book = Notebook.open(path, model_hashes(_models(config)), strict=args.resume is not None)
    done = False
    try:
        yield book
        done = True
    finally:
        book.close(keep=args.keep or not done)


def _verification(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    pairs = read_pairs(args.list, args.images)
    stages = Stages.load(_models(config), config.recognition.threads)
    with _notebook(args, config) as book, shown("pictures") as progress:
        acquired = templates_of(stages, (path for pair in pairs for path in (pair.a, pair.b)), progress, book)
        result = verification.compare(pairs, acquired.templates)
        worst = verification.worst(pairs, result.scores, args.images)
        summary = result.summary | acquired.summary(args.images) | {"model": stages.embedder.id, "worst": worst}
        summary |= provenance(_models(config), None)
        if args.report:
            genuine, impostor = result.scores[result.same], result.scores[~result.same]
            plots = [
                report.det_plot(genuine, impostor),
                report.score_plot(genuine, impostor, ("same person", "two people")),
            ]
            rows = [(pair.a, pair.b, int(pair.same), score) for pair, score in zip(pairs, result.scores, strict=True)]
            tables = [report.group_table(summary.get("groups", {})), *report.worst_tables(worst)]
            header = ("a", "b", "same", "score")
            report.write(args.report, "Verification", summary, [header, *rows], plots, tables=tables)
    return summary


def _identification(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    for name, low, high in (("enrol", 1, 100), ("probe_frames", 1, 100), ("draws", 1, 1000), ("seed", 0, 2**32)):
        _within(args, name, low, high)
    casts = [
        identification.draw(args.images, args.enrol, args.probe_frames, _dice(args.seed, number))
        for number in range(args.draws)
    ]
    stages = Stages.load(_models(config), config.recognition.threads)
    with _notebook(args, config) as book, shown("pictures") as progress:
        acquired = templates_of(stages, (path for cast in casts for path in cast.paths), progress, book)
        found = [identification.identify(cast, acquired.templates, stages.embedder.id) for cast in casts]
        worst = identification.worst(casts[0], found[0], args.images)
        summary = identification.sum_up(casts, found) | acquired.summary(args.images)
        summary |= {"model": stages.embedder.id, "worst": worst} | provenance(_models(config), args.seed)
        if args.report:
            mated, strangers = (
                np.concatenate([getattr(one, kind) for one in found]) for kind in ("mated", "strangers")
            )
            plots = [
                report.det_plot(mated, strangers, ("FPIR", "FNIR")),
                report.score_plot(mated, strangers, ("enrolled", "strangers")),
            ]
            rows = [("mated", score) for score in mated] + [("stranger", score) for score in strangers]
            tables = report.worst_tables(worst)
            report.write(args.report, "Identification", summary, [("kind", "score"), *rows], plots, tables=tables)
    return summary


def _dice(seed: int, number: int) -> np.random.Generator | None:
    """None, by name: the first choice of seed 0."""
    return None if seed == number == 0 else np.random.default_rng([seed, number])


def _liveness(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    shows = liveness.read_manifest(args.list, args.images or args.list.parent)
    models = VisionModels.load(_models(config), config.recognition.threads)
    rules = replace(config.liveness, surround=config.liveness.surround and not args.hand_held)
    with _notebook(args, config) as book, shown("sequences") as progress:
        outcomes = liveness.judge_all(models, shows, config.recognition, rules, progress=progress, notebook=book)
        summary = liveness.sum_up(outcomes, models.passive.id, rules) | provenance(_models(config), None)
        if args.report:
            kinds = [np.array([score for one in outcomes if one.sequence.live is live for score in one.passives])
                     for live in (True, False)]  # fmt: skip
            plots = [report.score_plot(kinds[0], kinds[1], ("live", "attack"), low=0.0)]
            rows = [(one.sequence.name, one.sequence.attack, one.frames, one.verdict) for one in outcomes]
            header = ("group", "attack", "frames", "verdict")
            report.write(args.report, "Liveness", summary, [header, *rows], plots)
    return summary


def _speed(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    _within(args, "people", 1, 1_000_000)
    _within(args, "templates", 1, 20)
    with shown("people") as progress:
        return speed.measure(args.people, args.templates, args.seed, progress)


def _within(args: argparse.Namespace, name: str, low: int, high: int) -> None:
    if not low <= getattr(args, name) <= high:
        raise DatasetError(f"--{name.replace('_', '-')} {getattr(args, name)}: must be {low} to {high}")


def _models(config: Config) -> Path | None:
    return Path(config.paths.models) if config.paths.models else None
