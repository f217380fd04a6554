"""Whether a text answers a question, not only whether it is near: by the packaged model that was
trained for it, or by a cross-encoder that the settings name.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from indexes.artifacts import Report
from indexes.embedder import available_threads
from indexes.errors import BadConfiguration
from indexes.settings import Settings

PACKAGED = "packaged"
"""In the settings: the model that comes with the service."""

WORDS = "words"
"""In the settings: no scorer, words alone decide."""

PREPARE = "indexes.embedder"
"""The module that, run as a program, gets models ready."""

ANSWERS_ONLY = "--answers"
"""Its option: the answer scorer alone."""

log = logging.getLogger(__name__)


class AnswerScorer(Protocol):
    """Says how likely each text answers a question. Safe to use from several threads."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """For each text the probability, 0 to 1, that it answers the question. Blocking.

        A text's score does not depend on the other texts.
        """
        ...


def is_prepared(settings: Settings) -> bool:
    """Whether the scorer that the settings name can be loaded at once: nothing has to be converted."""
    if settings.answer_scorer != PACKAGED:
        return True
    from indexes.embedder import packaged_answers

    return packaged_answers.folder_in(settings.home.absolute() / "models").is_dir()


def load_answer_scorer(settings: Settings, report: Report = log.info) -> AnswerScorer | None:
    """The scorer that the settings name, ready to use; None if they name none, or if the packaged one
    cannot be used, which the log tells.

    Slow the first time, when the packaged one is converted. Raises BadConfiguration when there is no
    cross-encoder of that name.
    """
    name = settings.answer_scorer
    if name == WORDS:
        return None
    if name != PACKAGED:
        from indexes.embedder.cross_encoder import CrossEncoderAnswerScorer

        return CrossEncoderAnswerScorer(name)
    from indexes.embedder import packaged_answers

    threads = settings.embedding_threads or available_threads()
    try:
        return packaged_answers.load(settings.home.absolute() / "models", threads, report)
    except BadConfiguration as error:
        log.warning("The packaged answer scorer is not used, rules alone decide: %s", error)
        return None
