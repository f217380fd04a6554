"""Which tests are left out of the quick set: those whose cases take more than half a second together.

    make test ARGS=--junitxml=var/times.xml
    python -m tools.slow_tests var/times.xml

writes `tests/slow.txt`, which `tests/conftest.py` reads. A test that is not in there, such as a new
one, belongs to the quick set. Whoever knows beforehand that a test is slow marks it instead.
"""

import argparse
import sys
from collections import defaultdict
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


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, help="what --junitxml has written")
    times = read_times(parser.parse_args().report)
    slow = sorted(name for name, seconds in times.items() if seconds > MOST_S)
    SLOW.write_text("".join(f"{name}\n" for name in slow), encoding="utf-8")
    print(f"{len(slow)} of {len(times)} tests are left out of the quick set.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
