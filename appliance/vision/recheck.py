"""Is a face that rests still the one that was decided upon? Whoever took its place does not rest."""

from appliance.facts import Frame
from appliance.vision import quality
from appliance.vision.align import Roi
from appliance.vision.bench import Bench
from appliance.vision.crowd import Track
from appliance.vision.intent import looks


def recheck(bench: Bench, track: Track, frame: Frame, near_px: float, gaze_degrees: float) -> None:
    """A look at one that the detector has just seen: mostly by its place alone, once a second by its template.

    Nobody is embedded here but in the place of one who has been asked.
    """
    at, rest = frame.taken_at, track.rest
    if rest is None or rest.over(at):
        return
    rest.still_there(at, track.face)
    if not rest.due(at) or track.face.width < near_px:
        return
    mesh = bench.mesh(frame.pixels, Roi.of_face(track.face))
    if mesh is None or not looks(quality.pose(mesh), gaze_degrees):
        return
    aligned, hint = bench.aligned(frame.pixels, mesh)
    if hint is None and not rest.same(at, bench.embed(aligned)):
        track.rest = None
