"""Would the tests of the rules and of the lock's machine notice a wrong line? Every line is changed, once at a time.

Run `make mutation` (or `python bench/mutation.py [MODULE ...]`, with mutmut 3.8.1 installed; --into keeps the
copy it works in). mutmut makes the mutants; it leaves out what is decorated and what is no function, so
properties are rewritten in the copy to be seen, and the cells of `door/table.py` are changed here. The tests
run without pytest, each mutant in a fork of a process that holds them all: pytest's start would cost most.
"""

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]
PROPERTY = re.compile(r"^    @property\n    def (\w+)\((.*?)(?=^    (?:def|@)|^\S|\Z)", re.MULTILINE | re.DOTALL)
TIMED = ("costs_microseconds", "less_than_a_millisecond")
"""Tests of speed: a mutant does not run faster."""
SHORTER = {'"longest", [4,': '"longest", [3,', '"count", [100_000,': '"count", [2_000,'}
"""What makes the machine's tests long, and what stands in its place for a first look."""
LONGEST_SECONDS = 60
"""Of processor time. A mutant that takes longer has been noticed."""
Test = Callable[[], object]


def modules() -> list[str]:
    access = sorted(f"access/{p.stem}" for p in (ROOT / "appliance/access").glob("[a-z]*.py"))
    return [*access, "door/machine"]


def copy_to(place: Path, chosen: list[str], examples: int, quick: bool) -> dict[str, list[str]]:
    """The package and its tests, with every mutant of the chosen modules in it. Returns the mutants' names."""
    (place / "setup.cfg").write_text("[mutmut]\nsource_paths=appliance\n")
    os.chdir(place)
    from mutmut.mutation.file_mutation import mutate_file_contents  # noqa: PLC0415 - reads its settings here

    quiet = shutil.ignore_patterns("__pycache__", "*.png")
    shutil.copytree(ROOT / "appliance", place / "appliance", ignore=quiet)
    shutil.copytree(ROOT / "tests/access", place / "tests/access", ignore=quiet)
    (place / "tests/door").mkdir()
    (place / "tests/__init__.py").touch()
    (place / "tests/door/__init__.py").touch()
    for test in (ROOT / "tests/door").glob("test_machine*.py"):
        shutil.copy(test, place / "tests/door")
    for test in place.glob("tests/*/test_*.py"):
        text = re.sub(r"max_examples=\d+", f"max_examples={examples}", test.read_text())
        for usual, shorter in SHORTER.items() if quick else ():
            text = text.replace(usual, shorter)
        test.write_text(text)
    names = {}
    for name in chosen:
        source = place / f"appliance/{name}.py"
        mutated = mutate_file_contents(str(source), PROPERTY.sub(plain, source.read_text()))
        source.write_text(mutated.code)
        names[name] = [f"appliance.{name.replace('/', '.')}.{mutant}" for mutant in mutated.mutant_names]
    return names


def plain(match: re.Match[str]) -> str:
    """A property as a method and an assignment: mutmut looks at the method."""
    name, rest = match.groups()
    return f"    def got_{name}({rest.rstrip()}\n\n    {name} = property(got_{name})\n\n"


def tests_of(room: str) -> dict[str, Test]:
    """What pytest would run of that room unless slow, by name; quick ones first, as they are timed here."""
    found: dict[str, Test] = {}
    for path in sorted(Path.cwd().glob(f"tests/{room}/test_*.py")):
        module = importlib.import_module(f"tests.{room}.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and not any(word in name for word in TIMED):
                found |= {f"{path.stem}.{name}{n}": call for n, call in enumerate(calls(test))}
    taken = {}
    for name, test in found.items():
        begun = time.process_time()
        test()
        taken[name] = time.process_time() - begun
    return {name: found[name] for name in sorted(found, key=taken.__getitem__)}


def calls(test: Callable[..., object]) -> list[Test]:
    """A test with each set of its parameters."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names = [name.strip() for name in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
        sets = []
        for one in mark.args[1]:
            values = getattr(one, "values", None) if hasattr(one, "marks") else (one if len(names) > 1 else (one,))
            if not any(m.name == "slow" for m in getattr(one, "marks", ())):
                sets.append(dict(zip(names, values, strict=True)))
        choices.append(sets)
    return [partial(test, **{k: v for part in parts for k, v in part.items()}) for parts in product(*choices)]


def try_all(room: str, mutants: list[str]) -> tuple[int, list[str]]:
    """How many were noticed by their time alone, and which nobody noticed."""
    os.environ["MUTANT_UNDER_TEST"] = ""
    tests = tests_of(room)
    late, lived = 0, []
    for mutant in mutants:
        module = mutant.split(".")[2]
        # Its own tests first. All of them run before a mutant has survived.
        order = sorted(tests, key=lambda name: not name.startswith(f"test_{module}"))
        ended = in_a_child(lambda mutant=mutant, order=order: try_one(mutant, [tests[name] for name in order]))
        late += ended == "late"
        lived += [mutant] * (ended == "survived")
        print(ended, mutant, file=sys.stderr)
    return late, lived


def try_one(mutant: str, tests: list[Test]) -> None:
    os.environ["MUTANT_UNDER_TEST"] = mutant
    for test in tests:
        test()


def in_a_child(work: Test) -> str:
    """What becomes of it: survived, killed or late."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return "late"
    return "survived" if status == 0 else "killed"


def mutate_table() -> None:
    """Each cell of the machine's table in every other way, each in a process of its own."""
    from appliance.door.table import PASSABLE, RECORDED, SETTLE, TABLE, Signal, State  # noqa: PLC0415 - the copy's

    mutants: list[tuple[str, object]] = [
        (f"{state} {heard} -> {to}", (TABLE[state], heard, to))
        for state, heard, to in product(State, Signal, ("absent", SETTLE, *State))
        if TABLE[state].get(heard, "absent") is not to
    ]
    mutants += [
        (f"recorded {heard} -> {word}", (RECORDED, heard, word))
        for heard, word in product(Signal, ("absent", *sorted(set(RECORDED.values()))))
        if RECORDED.get(heard, "absent") != word
    ]
    mutants += [(f"passable without or with {state}", PASSABLE ^ {state}) for state in State]
    if in_a_child(lambda: try_table(PASSABLE)) != "survived":
        raise SystemExit("door/table: the tests fail on the table as it is")
    lived = [name for name, mutant in mutants if in_a_child(lambda mutant=mutant: try_table(mutant)) == "survived"]
    report("door/table", len(mutants), 0, lived)


def try_table(mutant: object) -> None:
    """Whatever pytest would run that looks at the table, without pytest. Raises if a test notices."""
    from appliance.door import table  # noqa: PLC0415 - the copy's

    if isinstance(mutant, tuple):
        row, key, to = mutant
        if to == "absent":
            row.pop(key, None)
        else:
            row[key] = to
    else:
        table.PASSABLE = mutant  # type: ignore[misc,assignment]
    from tests.door import test_machine as tests  # noqa: PLC0415 - only now, or it would know the right answer

    for name, test in vars(tests).items():
        if name.startswith("test_") and test.__code__.co_argcount == 0 and not hasattr(test, "hypothesis"):
            test()
    for longest in (3, 4):
        for relock, contact in product((True, False), (False, True, None)):
            tests.test_every_sequence_of_inputs(contact, relock, longest)


def report(module: str, mutants: int, late: int, lived: list[str]) -> None:
    print(f"{module:18} {mutants:5} mutants, {mutants - len(lived):5} killed ({late} by time), {len(lived):3} survived")
    print(*(f"    {name}" for name in lived), sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="access/decide, door/machine, door/table …; all if none is named")
    parser.add_argument("--into", type=Path, help="an empty folder to work in and to keep")
    parser.add_argument("--examples", type=int, default=20, help="for each property test")
    parser.add_argument("--quick", action="store_true", help="a first look: shorter histories of the machine")
    args = parser.parse_args()
    os.nice(10)
    begun = time.monotonic()
    place = args.into or Path(tempfile.mkdtemp(prefix="lintel-mutation-"))
    # A failure need not be made small, nor found again.
    phases = [Phase.explicit, Phase.generate]
    settings.register_profile("mutation", phases=phases, derandomize=True, database=None, deadline=None)
    settings.load_profile("mutation")
    chosen = args.module or [*modules(), "door/table"]
    names = copy_to(place, [name for name in chosen if name != "door/table"], args.examples, args.quick)
    sys.path.insert(0, str(place))
    if "door/table" in chosen:
        mutate_table()
    for name, mutants in names.items():
        report(name, len(mutants), *try_all(name.split("/")[0], mutants))
    print(f"{time.monotonic() - begun:.0f} s; the copy: {place}")


if __name__ == "__main__":
    main()
