"""Whether a sentence of a passage says what a claim in another language says, told by the embedding
model.
"""

from collections.abc import Sequence
from typing import Protocol

from indexes.embedder import Embedder

SAME = {"multilingual-e5-small": 0.835}
"""Cosine from which two sentences in different languages say the same, by model; measured in
docs/decisions/0008.
"""

MOST_SENTENCES = 24  # of a passage, for one claim


class Meaning(Protocol):
    """Finds what a claim was taken from if no word is the same."""

    def nearest(self, claim: str, sentences: Sequence[str]) -> int | None:
        """The place of the sentence that says it; None if none does.

        Blocking: all of them are embedded.
        """
        ...


class EmbeddedMeaning:
    """By the cosine of sentences."""

    def __init__(self, embedder: Embedder, same: float) -> None:
        """same: the least cosine of two sentences that say the same."""
        self.embedder = embedder
        self.same = same

    def nearest(self, claim: str, sentences: Sequence[str]) -> int | None:
        claimed, *held = self.embedder.passages([claim, *sentences[:MOST_SENTENCES]])
        cosines = [float(vector @ claimed) for vector in held]
        best = max(cosines, default=-1.0)
        return cosines.index(best) if best >= self.same else None


def make_meaning(embedder: Embedder) -> Meaning | None:
    """What this model can tell of meanings.

    None if nobody has measured it; then words alone decide.
    """
    same = SAME.get(embedder.name)
    return None if same is None else EmbeddedMeaning(embedder, same)
