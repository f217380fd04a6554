"""Which tests are left out of the quick set: those whose cases take more than half a second together.

    make test ARGS=--junitxml=var/times.xml
    python -m tools.slow_tests var/times.xml

writes `tests/slow.txt`, which `tests/conftest.py` reads. A test that is not in there, such as a new
one, belongs to the quick set. Whoever knows beforehand that a test is slow marks it instead; one
that is marked `quick` stays in the quick set whatever it takes.

    python -m tools.slow_tests --check

names the lines of `tests/slow.txt` that no test stands behind any more, and ends with 1 if there
are any.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
SLOW = ROOT / "tests" / "slow.txt"
MOST_S = 0.5


def read_times(report: Path) -> dict[str, float]:
    """Seconds of each test function, all its cases and their set-up together, by `file::name`."""
    seconds: dict[str, float] = defaultdict(float)
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.attrib["name"].partition("[")[0]
        seconds[f"{_file_of(case.attrib['classname'])}::{name}"] += float(case.attrib["time"])
    return seconds


def _file_of(classname: str) -> str:
    """The file of `tests.indexes.test_a` and of `tests.indexes.test_a.TestClass`."""
    parts = classname.split(".")
    while parts and not ROOT.joinpath(*parts).with_suffix(".py").is_file():
        parts.pop()
    return "/".join(parts) + ".py"


def find_dead_entries(root: Path, entries: Iterable[str]) -> list[str]:
    """Those that name no test of their file."""
    tests: dict[str, set[str]] = {}
    for file in {entry.partition("::")[0] for entry in entries}:
        place = root / file
        tests[file] = _tests_of(place.read_text(encoding="utf-8")) if place.is_file() else set()
    return [
        entry
        for entry in entries
        if entry.partition("::")[2] not in tests[entry.partition("::")[0]]
    ]


def _tests_of(source: str) -> set[str]:
    """The names of functions in a file; `runTest` if it makes a state machine of Hypothesis a test."""
    nodes = list(ast.walk(ast.parse(source)))
    found = {
        node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    made = (node.value for node in nodes if isinstance(node, ast.Assign))
    if any(isinstance(value, ast.Attribute) and value.attr == "TestCase" for value in made):
        found.add("runTest")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, nargs="?", help="what --junitxml has written")
    parser.add_argument("--check", action="store_true", help="look for lines without a test")
    given = parser.parse_args()
    if given.check:
        dead = find_dead_entries(ROOT, SLOW.read_text(encoding="utf-8").split())
        for entry in dead:
            print(f"{entry} is no test: take it out of tests/slow.txt")
        return int(bool(dead))
    if given.report is None:
        parser.error("say what --junitxml has written")
    times = read_times(given.report)
    slow = sorted(name for name, seconds in times.items() if seconds > MOST_S)
    SLOW.write_text("".join(f"{name}\n" for name in slow), encoding="utf-8")
    print(f"{len(slow)} of {len(times)} tests are left out of the quick set.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
