"""Gets the embedding model of the settings ready, so that no start has to wait for it.

    python -m indexes.embedder

Fetches, unpacks and converts it, into the folder of models in the home.
"""

import sys

from indexes import settings as configuration
from indexes.embedder import load
from indexes.errors import ClearanceError


def main() -> int:
    try:
        embedder = load(configuration.load(), print)
    except ClearanceError as error:
        print(*filter(None, (str(error), error.remedy)), file=sys.stderr)
        return 1
    print(f"{embedder.name} is ready.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
