"""`lintel evaluate …`: error rates of this appliance's own chain on a folder of images."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.config import Config
from appliance.errors import DatasetError
from appliance.evaluate import identification, liveness, report, speed, verification
from appliance.evaluate.dataset import read_pairs
from appliance.evaluate.probe import templates_of
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


def _verification(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    pairs = read_pairs(args.list, args.images)
    stages = Stages.load(_models(config), config.recognition.threads)
    templates = templates_of(stages, (path for pair in pairs for path in (pair.a, pair.b)), _progress)
    result = verification.compare(pairs, templates, stages.embedder.id)
    if args.report:
        genuine, impostor = result.scores[result.same], result.scores[~result.same]
        plots = [
            report.det_plot(genuine, impostor),
            report.score_plot(genuine, impostor, ("same person", "two people")),
        ]
        rows = [(pair.a, pair.b, int(pair.same), score) for pair, score in zip(pairs, result.scores, strict=True)]
        report.write(args.report, "Verification", result.summary, [("a", "b", "same", "score"), *rows], plots)
    return result.summary


def _identification(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    cast = identification.roles(args.images, args.enrol)
    stages = Stages.load(_models(config), config.recognition.threads)
    result = identification.identify(cast, templates_of(stages, cast.paths, _progress), stages.embedder.id)
    if args.report:
        plots = [
            report.det_plot(result.mated, result.strangers),
            report.score_plot(result.mated, result.strangers, ("enrolled", "strangers")),
        ]
        rows = [(kind, score) for kind, scores in (("mated", result.mated), ("stranger", result.strangers))
                for score in scores]  # fmt: skip
        report.write(args.report, "Identification", result.summary, [("kind", "score"), *rows], plots)
    return result.summary


def _liveness(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    shows = liveness.read_manifest(args.list, args.images or args.list.parent)
    models = VisionModels.load(_models(config), config.recognition.threads)
    rules = replace(config.liveness, surround=config.liveness.surround and not args.hand_held)
    outcomes = []
    for done, show in enumerate(shows, 1):
        outcomes.append(liveness.judge(models, show, config.recognition, rules))
        _progress(done, len(shows))
    summary = liveness.sum_up(outcomes, models.passive.id, rules)
    if args.report:
        kinds = [np.array([score for one in outcomes if one.sequence.live is live for score in one.passives])
                 for live in (True, False)]  # fmt: skip
        plots = [report.score_plot(kinds[0], kinds[1], ("live", "attack"), low=0.0)]
        rows = [(one.sequence.name, one.sequence.attack, one.frames, one.verdict) for one in outcomes]
        report.write(args.report, "Liveness", summary, [("group", "attack", "frames", "verdict"), *rows], plots)
    return summary


def _speed(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    for name, low, high in (("people", 1, 1_000_000), ("templates", 1, 20)):
        if not low <= getattr(args, name) <= high:
            raise DatasetError(f"--{name} {getattr(args, name)}: must be {low} to {high}")
    return speed.measure(args.people, args.templates, args.seed, _progress)


def _models(config: Config) -> Path | None:
    return Path(config.paths.models) if config.paths.models else None


def _progress(done: int, total: int) -> None:
    """A line to stderr now and then; the result alone goes to stdout."""
    if done == total or done % max(200, total // 10) == 0:
        print(f"{done} of {total}", file=sys.stderr, flush=True)
