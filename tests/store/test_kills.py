"""SIGKILL of the door's journal at any moment: at work, in a migration, on a full disk, while the record is pruned."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(1800)


def kills(count: int, *extra: str) -> dict[str, int]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.beds.journal_kills", str(count), *extra],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    print(run.stdout)
    found: dict[str, int] = json.loads(run.stdout)
    assert found["kills"] == count
    return found


def sound(found: dict[str, int]) -> None:
    assert found["acknowledged"] > found["kills"], "the journal had time to work"
    assert (found["lost"], found["corrupt"]) == (0, 0), found


def test_a_kill_at_any_moment_loses_nothing_acknowledged() -> None:
    sound(kills(60))


@pytest.mark.slow
def test_a_thousand_kills_lose_nothing_acknowledged() -> None:
    sound(kills(1000, "--seed", "7"))


def test_a_journal_that_answers_too_early_is_caught() -> None:
    """The tests above can fail."""
    assert kills(12, "--liar")["lost"] > 0
