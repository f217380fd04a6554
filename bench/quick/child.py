"""One side's process: told the name of a work on its standard input, it does the work and answers
with the cost, a line of JSON each.
"""

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.quick.works import WORKS, Measure, NotReady, Side


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the product prints is no answer
    folder, models = map(Path, sys.argv[1:])
    ready: dict[str, Measure] = {}
    with ExitStack() as stack:
        side = Side(folder, models, stack)
        for line in sys.stdin:
            answers.write(json.dumps(_do(line.strip(), side, ready)) + "\n")
            answers.flush()


def _do(name: str, side: Side, ready: dict[str, Measure]) -> dict[str, Any]:
    """The cost of the work, or why there is none. The first time it is only made ready."""
    try:
        if name in ready:
            return asdict(ready[name]())
        ready[name] = WORKS[name](side)
        return {}
    except NotReady as missing:
        return {"not_ready": str(missing)}
    # such as a function that the product of this side does not have, or a service that ends
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines() or [""]
        return {"failed": f"{type(error).__name__}: {lines[-1]}"}


if __name__ == "__main__":
    main()
