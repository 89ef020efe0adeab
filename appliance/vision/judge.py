"""What is measured of the one face that is asked, and what comes of it: the vote, and the turns of the head."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from appliance.facts import Challenge, Frame, Match, Pixels, Vector
from appliance.vision.bench import Bench
from appliance.vision.challenge import HeadTurns, schedule
from appliance.vision.gallery import Gallery, strictest
from appliance.vision.rest import Rests
from appliance.vision.turned import Witness
from appliance.vision.visit import Visit
from appliance.vision.vote import Before, Rules, Sighting, Vote, Wanted


class Judge:
    """Holds the gallery and what a vote needs; a visit holds its own evidence. One thread."""

    def __init__(self, bench: Bench, rules: Rules, target_fpir: float, rests: Rests, random: Random) -> None:
        """`random` makes the prompts."""
        self._bench = bench
        self._rules = rules
        self._target = target_fpir
        self._rests = rests
        self._random = random
        self.set_gallery(Gallery.empty(bench.model))

    def set_gallery(self, gallery: Gallery, site: Sequence[tuple[float, float]] = ()) -> None:
        """`site`: the site's own table, if calibrated."""
        self._gallery = gallery
        self.threshold = strictest(self._bench.fmr_table, site, len(gallery), self._target)

    def check(self, frame: Frame, visit: Visit, mesh: Vector, aligned: Pixels) -> tuple[Vote, Match | None] | None:
        """Measure what the vote wants of a good frame and hand it over: the vote, and the Match once it is concluded.

        None where a thing that was decided upon has only come back: its track goes on resting.
        """
        at = frame.taken_at
        vote = visit.vote
        if vote is None or not vote.continues(at, None):
            vote = visit.new_vote(self._rules, self._bench.model, at)
        self._measure(frame, visit, mesh)
        wanted = vote.wants(at, visit.surround)
        template = self._bench.embed(aligned) if wanted.template else None
        if not vote.continues(at, template):  # another face in the same place
            vote = visit.another(self._rules, self._bench.model, at)
            self._measure(frame, visit, mesh)
            wanted = vote.wants(at, visit.surround)
        if template is not None and visit.track.rest is None and visit.before is None:
            visit.track.rest = self._rests.unmoved(visit.face, template, at)
            if visit.track.rest is not None:
                return None
        passive = self._bench.passive(frame.pixels, mesh) if wanted.passive else None
        with self._bench.timed("match"):
            seen = Sighting(at, passive, visit.surround, template, visit.layers)
            return vote, vote.add(seen, self._gallery, self.threshold)

    def skim(self, frame: Frame, visit: Visit, vote: Vote, wanted: Wanted, mesh: Vector) -> Match | None:
        """At most the passive score where the face just was.

        The network takes in 2.7 face widths and does not mind a fifth of one; its scores on the development set stay.
        """
        visit.hardware.add(frame, visit.face)
        if not wanted.passive:
            return None
        passive = self._bench.passive(frame.pixels, mesh)
        seen = Sighting(frame.taken_at, passive, visit.surround, layers=visit.layers)
        return vote.add(seen, self._gallery, self.threshold)

    def asks_more(self, visit: Visit, vote: Vote, match: Match, at: float) -> bool:
        """Whether the level asks for more of a face that has proved enough to be asked; then the challenge begins."""
        asks = self._rules.level != "standard" and match.liveness.challenge is Challenge.NOT_ASKED
        if not (asks and match.liveness.live):
            return False
        visit.asked, visit.turns = match, HeadTurns(schedule(self._random), at)
        visit.witness = Witness(vote.template)
        return True

    def turn(self, frame: Frame, visit: Visit, turns: HeadTurns, mesh: Vector, yaw: float) -> Match | None:
        """One frame of the challenge; passed, the face is voted on anew and must be the one that began it.

        The Match of a failed one, or None.
        """
        at, asked, witness = frame.taken_at, visit.asked, visit.witness
        if asked is None or witness is None:  # set together with `turns`; without them it is asked anew
            visit.turns = None
            return None
        self._measure(frame, visit, mesh)
        outcome = turns.step(at, yaw)
        if not witness.same(self._bench, frame.pixels, mesh, turns):
            outcome = Challenge.FAILED
        if outcome is Challenge.PASSED and visit.vote is not None:
            visit.before = Before(visit.vote.template, asked.since, at, turns.answered)
            visit.turns = visit.vote = None
        if outcome is not Challenge.FAILED:
            return None
        refused = replace(
            asked.liveness, live=False, challenge=Challenge.FAILED, turns=turns.answered, objection="challenge"
        )
        return replace(asked, liveness=refused, taken_at=at)

    def _measure(self, frame: Frame, visit: Visit, mesh: Vector) -> None:
        with self._bench.timed("surround"):
            visit.measure(frame, mesh, self._rules.surround)
