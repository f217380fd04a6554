"""Whether a text answers a question, not only whether it is near: by a cross-encoder that the settings
name.
"""

from collections.abc import Sequence
from typing import Protocol

from indexes.settings import Settings


class AnswerScorer(Protocol):
    """Says how likely each text answers a question. Safe to use from several threads."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """For each text the probability, 0 to 1, that it answers the question. Blocking.

        A text's score does not depend on the other texts.
        """
        ...


def load_answer_scorer(settings: Settings) -> AnswerScorer | None:
    """The scorer that the settings name, ready to use; None if they name none.

    Raises BadConfiguration when there is no such model.
    """
    if not settings.answer_scorer:
        return None
    from indexes.embedder.cross_encoder import CrossEncoderAnswerScorer

    return CrossEncoderAnswerScorer(settings.answer_scorer)
