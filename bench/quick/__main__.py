"""The working tree beside the last release, on one page.

    python -m bench.quick [--base COMMIT | --other CHECKOUT] [--works WORD ...] [--json FILE]

Each everyday work is done by both sides in pairs, one straight after the other, in processes of the
same environment. What counts is processor time of one operation, in all threads; the time by the
clock stands beside it and says less, for the machine does other things, too. The ratio is now by
base, with a 95 % interval over the pairs. `slower` and `faster` stand there only if the whole
interval is more than 3 % away from 1.

The base is the commit that is asked for, else the newest tag, else where this branch left the main
one. The first run with a new base takes a minute more, while its kernels are compiled. Embedding is
measured if the packaged model is ready in the home of the settings.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.quick.base import ROOT, NoBase, check_out, choose_base, describe_now
from bench.quick.comparing import compare
from bench.quick.pairs import Failed, Skipped, run_sides, take_pairs
from bench.quick.works import WORKS
from indexes import settings as configuration

CHECKOUTS = ROOT / "var" / "bench-quick"
Row = dict[str, Any]


def main() -> int:
    options = argparse.ArgumentParser(
        prog="python -m bench.quick",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--base", metavar="COMMIT", help="compare with this commit")
    options.add_argument("--other", type=Path, metavar="CHECKOUT", help="compare with this one")
    options.add_argument("--works", nargs="+", default=[""], metavar="WORD", help="of their names")
    options.add_argument("--seconds", type=float, default=3.0, help="for the pairs of each work")
    options.add_argument("--pairs", type=int, default=5, help="of each work, at least")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    given = options.parse_args()
    chosen = [work for work in WORKS if any(word in work for word in given.works)]
    if not chosen:
        options.error(f"no work has such a name; these are there: {', '.join(WORKS)}")
    begun = time.monotonic()
    try:
        other, about = find_other(given.other, given.base)
    except NoBase as error:
        options.error(str(error))
    facts = {"base": about, "now": describe_now(), "machine": describe_machine()}
    print("\n".join(f"{name:<8} {told}" for name, told in facts.items()), flush=True)
    rows = []
    print(HEAD, flush=True)
    for row in measure(chosen, other, given.seconds, given.pairs):
        rows.append(row)
        print(line(row), flush=True)
    print(f"{time.monotonic() - begun:.0f} s")
    if given.json:
        text = json.dumps({**facts, "works": rows}, indent=1, ensure_ascii=False)
        given.json.write_text(text + "\n", encoding="utf-8")
    return int(any("failed" in row for row in rows))


def find_other(checkout: Path | None, commit: str | None) -> tuple[Path, str]:
    """Where the product of the base is, and which one that is in words. Raises NoBase."""
    if checkout:
        return checkout.resolve(), f"the checkout {checkout}"
    base = choose_base(commit)
    return check_out(base, CHECKOUTS), base.about


def measure(works: list[str], base: Path, seconds: float, pairs: int) -> Iterator[Row]:
    models = configuration.load().home.absolute()
    with (
        tempfile.TemporaryDirectory(prefix="bench-quick-") as folder,
        run_sides(base, ROOT, Path(folder), models) as (base_side, now_side),
    ):
        for work in works:
            try:
                found = compare(take_pairs(work, base_side, now_side, seconds, pairs))
                yield {"work": work, **asdict(found), "verdict": found.verdict}
            except Skipped as skipped:
                yield {"work": work, "verdict": str(skipped)}
            except Failed as failed:
                yield {"work": work, "failed": True, "verdict": f"FAILED: {failed}"}


def describe_machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"{next(names, platform.machine())}, {load}, Python {platform.python_version()}"


HEAD = (
    f"{'CPU ms of one (by the clock)':<31} {'base':>17} {'now':>17}"
    f" {'now/base':>8} {'95 %':>13} {'pairs':>5}  verdict"
)


def line(row: Row) -> str:
    if "ratio" not in row:
        return f"{row['work']:<31} {row['verdict']}"
    sides = (f"{row[f'{side}_ms']:.2f} ({row[f'{side}_wall_ms']:.2f})" for side in ("base", "now"))
    interval = f"{row['low']:.3f}-{row['high']:.3f}"
    return (
        f"{row['work']:<31} {''.join(f'{told:>18}' for told in sides).strip():>35}"
        f" {row['ratio']:>8.3f} {interval:>13} {row['pairs']:>5}  {row['verdict']}"
    )


if __name__ == "__main__":
    sys.exit(main())
