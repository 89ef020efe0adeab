"""What the quality gates turn away and what that gains, how well covered faces are found, and how far the forecast of
an enrolment comes true: on a folder with a folder of pictures for each person.

    python bench/quality.py DIR [--every 3]

Masks, hands and lids are drawn on every N-th picture along its landmarks: they stand in for real ones, and no more.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np

from appliance.facts import Face
from appliance.vision import quality
from appliance.vision.align import interocular
from appliance.vision.components import enrol_hint, eye_edges
from appliance.vision.enrol import LEAST_FACE_PX
from appliance.vision.forecast import forecast
from appliance.vision.gallery import threshold
from appliance.vision.stages import Stages

JAW = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
MASK_TOP = (447, 346, 347, 197, 118, 117, 227)
CLOTH = {
    "white": (235, 235, 235),
    "black": (30, 28, 28),
    "surgical": (200, 175, 130),
    "red": (60, 50, 160),
    "skin": None,
}
LIDS = ((33, 161, 160, 159, 158, 157, 133, 154, 145, 163), (263, 388, 387, 386, 385, 384, 362, 381, 374, 390))


def skin(pixels, mesh):
    places = [(int(y), int(x)) for x, y, _ in mesh[[118, 347, 9]]]
    height, width = pixels.shape[:2]
    return np.mean([pixels[min(max(y, 0), height - 1), min(max(x, 0), width - 1)] for y, x in places], axis=0)


def paint(pixels, mask, colour, rng, blur):
    share = (cv2.GaussianBlur(mask, (0, 0), blur) / 255.0)[..., None]
    noisy = np.asarray(colour, np.float32) + rng.normal(0, 2.5, (*mask.shape, 1))
    return np.clip(pixels * (1 - share) + noisy * share, 0, 255).astype(np.uint8)


def with_mask(pixels, mesh, colour, rng):
    low, middle = mesh[list(JAW), :2], mesh[4, :2]
    shape = np.vstack([middle + (low - middle) * 1.04, mesh[list(MASK_TOP), :2]]).astype(np.int32)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [shape], 255)
    light = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (0, 0), 0.45 * interocular(mesh))
    mean = max(float(light[mask > 0].mean()), 1.0) if mask.any() else 1.0
    shade = np.clip(light / mean, 0.5, 1.4)[..., None] * (1 if colour is None else np.clip(mean / 150, 0.4, 1.2))
    return paint(pixels, mask, (skin(pixels, mesh) if colour is None else colour) * shade, rng, 0.8)


def with_hand(pixels, mesh, rng):
    apart, angle = interocular(mesh), rng.uniform(-0.6, 0.6) + rng.choice((0, np.pi))
    along = np.array([np.cos(angle), np.sin(angle)])
    aside, wide = np.array([-along[1], along[0]]), apart * rng.uniform(0.26, 0.32)
    colour = skin(pixels, mesh)
    for finger in range(4):
        for part, shade in ((1.0, 0.72), (0.75, 0.9), (0.4, 1.05)):
            middle = mesh[13, :2] + aside * (finger - 1.5) * wide * 0.95
            ends = [tuple(int(v) for v in middle + along * apart * far) for far in (0.7, -2.2)]
            mask = np.zeros(pixels.shape[:2], np.uint8)
            cv2.line(mask, *ends, 255, max(2, int(wide * part)), cv2.LINE_AA)
            pixels = paint(pixels, mask, colour * shade, rng, 0.7)
    return pixels


def with_lids(pixels, mesh, rng):
    for eye in LIDS:
        shape = mesh[list(eye), :2]
        mask = np.zeros(pixels.shape[:2], np.uint8)
        cv2.fillPoly(mask, [(shape.mean(0) + (shape - shape.mean(0)) * 1.12).astype(np.int32)], 255)
        pixels = paint(pixels, mask, skin(pixels, mesh), rng, 0.7)
        cv2.polylines(pixels, [shape[6:].astype(np.int32)], False, (skin(pixels, mesh) * 0.45).tolist(), 1, cv2.LINE_AA)
    return pixels


class Look:
    """One picture, measured."""

    def __init__(self, stages: Stages, pixels) -> None:
        faces = stages.detector.find(pixels, expected=True)
        middle = np.array(pixels.shape[1::-1]) / 2

        def weight(face: Face) -> float:
            away = (np.array([face.x + face.width / 2, face.y + face.height / 2]) - middle) / (2 * middle)
            return face.width * face.height * float(np.exp(-((np.hypot(*away) / 0.25) ** 2)))

        self.face = stages.meshed(pixels, max(faces, key=weight)) if faces else None
        if self.face is None:
            return
        self.certainty, self.crop = stages.landmarker.certainty, stages.aligned(pixels, self.face)
        place = quality.place_hint(self.face, pixels.shape[:2], LEAST_FACE_PX)
        hint = place or quality.pose_hint(quality.pose(self.face.mesh))
        self.covered = quality.covered_hint(self.certainty, self.crop)
        self.door = hint or quality.light_hint(quality.light(self.crop)) or self.covered
        self.enrol = hint or enrol_hint(self.crop, self.certainty)
        self.eyes = eye_edges(self.crop)
        self.template = stages.embedder.embed(self.crop)


def tar(names, templates) -> dict:
    scores = templates @ templates.T
    pairs = np.triu_indices(len(names), 1)
    same, scores = (names[:, None] == names[None])[pairs], scores[pairs]
    others = np.sort(scores[~same])
    return {
        f: round(float((scores[same] > others[-max(1, int(f * len(others)))]).mean()), 4) for f in (1e-3, 1e-4, 1e-5)
    }


def gates(names, looks) -> dict:
    templates, told = (
        np.stack([one.template for one in looks]),
        {"none": tar(names, np.stack([one.template for one in looks]))},
    )
    for gate in ("door", "enrol"):
        hints = [getattr(one, gate) for one in looks]
        passed = np.array([hint is None for hint in hints])
        refused = Counter(str(hint) for hint in hints if hint)
        told[gate] = {
            "refused": round(1 - passed.mean(), 4),
            "by": refused,
            "tar": tar(names[passed], templates[passed]),
        }
    return told


def covers(stages, paths, every, bare) -> dict:
    rng, found = np.random.default_rng(1), defaultdict(list)
    for path in paths[::every]:
        pixels = cv2.imread(str(path))
        face = Look(stages, pixels).face
        if face is None:
            continue
        shown = {f"mask {name}": with_mask(pixels, face.mesh, colour, rng) for name, colour in CLOTH.items()}
        shown |= {"hand": with_hand(pixels, face.mesh, rng), "lids": with_lids(pixels.copy(), face.mesh, rng)}
        for name, drawn in shown.items():
            found[name].append(Look(stages, drawn))
    limit = np.quantile([one.eyes for one in bare], 0.01)
    told = {}
    for name, looks in found.items():
        seen = [one for one in looks if one.face is not None]
        told[name] = {
            "pictures": len(looks),
            "no face": len(looks) - len(seen),
            **Counter(str(one.covered) for one in seen),
            "eyes below the 1st percentile": round(float(np.mean([one.eyes < limit for one in seen])), 3),
        }
    return told


def forecasts(names, looks, table) -> list:
    people, rng, told = defaultdict(list), np.random.default_rng(0), []
    for name, one in zip(names, looks, strict=True):
        people[name].append(one.template)
    many = [np.stack(rows) for rows in people.values() if len(rows) >= 6]
    for size in (10, 100, 1000):
        limit = threshold(table, size, 1e-4)
        for count in (1, 2, 3, 5):
            said, came, inside = [], [], []
            for rows in many * 20:
                order = rng.permutation(len(rows))
                mean, rest = rows[order[:count]].sum(0), rows[order[count:]]
                found, missed = (
                    forecast(rows[order[:count]], limit),
                    (rest @ mean / np.linalg.norm(mean) < limit).mean(),
                )
                half = 0.5 / len(rest)
                said, came = [*said, found.fnmr], [*came, missed]
                inside.append(found.low - half <= missed <= found.high + half)
            means = {key: round(float(np.mean(values)), 3) for key, values in
                     (("forecast", said), ("observed", came), ("within", inside))}  # fmt: skip
            told.append({"gallery": size, "pictures": count, **means})
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--every", type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    stages, paths = Stages.load(), sorted(args.directory.glob("*/*.jpg"))
    every = [(path.parent.name, Look(stages, cv2.imread(str(path)))) for path in paths]
    names, looks = np.array([n for n, one in every if one.face]), [one for _, one in every if one.face]
    result = {"pictures": len(paths), "gates": gates(names, looks)}
    result["forecast"] = forecasts(names, looks, stages.embedder.fmr_table)
    result["covers"] = covers(stages, paths, args.every, looks)
    begun = time.perf_counter()
    for one in looks[:2000]:
        quality.covered_hint(one.certainty, one.crop)
    result["cover_us"] = round((time.perf_counter() - begun) / min(len(looks), 2000) * 1e6, 1)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
