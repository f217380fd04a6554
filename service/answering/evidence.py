"""Whether what was found is worth answering from. If it is not, the reply is that of an empty view.

Evidence is how well the best passage of the caller's view matches: `SearchResult.evidence`, from 0
to 1. How little is too little depends on the embedding model, the way of searching and the language
of the question; so thresholds are calibrated from data for each of these and stored with the
generation. A question in another language than the passages shares no words with them and is less
near to them, whether they answer it or not; such questions are never refused.

A threshold is set by an operator and moves with no document; all it is compared with is computed
inside the view. Figures, and what else was tried: docs/decisions/0007-abstention.md.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, get_args

from indexes.model import Hit, IndexGeneration, Mode, SearchResult
from indexes.text.folding import fold_text
from indexes.text.scripts import UNSPACED, Script, script

SETTING = "abstention"
"""Under this name a generation keeps its thresholds."""

OFF = "off"
"""If it stands among them, nothing is refused, whatever else stands there."""

HELD = 0.4
"""Share of a question's words, `the` and `of` above all, that a few passages in its language hold.

Of the questions of XQuAD 99 in 100 have as many held in their language, and one in the other.
"""

Thresholds = Mapping[tuple[Mode, Script], float]

_E5: Thresholds = {("hybrid", "en"): 0.61, ("hybrid", "zh"): 0.64}
PACKAGED: Mapping[str, Thresholds] = {
    # multilingual-e5-small: openvino, openvino-float32, onnx, torch
    "27482ec60ab9198f5883e2501eab1f65fb97b2f1b2451b1b11b1a4bc1085d5fc": _E5,
    "ed7936c664af9478d137d3017b42c60a4a3e906ec04ff749871b0cd6f515703b": _E5,
    "65cc67485c0af52e455fe420a5fc86bd131e1bb4891e26db80441f181852550f": _E5,
    "1c87037dd73c68d8cfa41de1d4930569b2fda0a1fe566940e721ff1eaf3794af": _E5,
}
"""By fingerprint of the model: what holds until something else is calibrated.

Low: of the answerable questions of four sets they refuse none as they stand, and less than one in a
hundred in many words or asked of a single document.
"""

_WORD = re.compile(rf"[{UNSPACED}]|[^\W\d_{UNSPACED}]+")

log = logging.getLogger(__name__)


class ThresholdSource(Protocol):
    """The indexes that are searched, as far as thresholds hang on them."""

    def in_force(self) -> tuple[IndexGeneration, Mapping[str, Any]] | None:
        """The active generation with its settings; None if there is none yet. Blocking."""
        ...

    def generation(self) -> IndexGeneration:
        """The generation that the last search used."""
        ...


class EvidenceJudge:
    """Judges by the thresholds of the active generation, read anew at every request."""

    def __init__(self, thresholds: ThresholdSource) -> None:
        self._thresholds = thresholds

    def search_with_evidence(
        self, question: str, search: Callable[[], SearchResult]
    ) -> tuple[SearchResult, bool]:
        """What the search gives, and whether that is too weak to answer from."""
        found = self._thresholds.in_force()
        result = search()
        if found is None or found[0].id != self._thresholds.generation().id:
            # another model became active meanwhile: its evidence is on another scale
            return result, False
        return result, is_weak(question, result, read_thresholds(*found))


def is_weak(question: str, result: SearchResult, by: Thresholds) -> bool:
    """Whether the evidence is below the threshold for such a question; without one it is not."""
    threshold = by.get((result.mode, script(question)))
    return (
        threshold is not None
        and result.evidence < threshold
        and share_a_language(question, result.hits)
    )


def share_a_language(question: str, hits: Iterable[Hit]) -> bool:
    """Whether passages hold so many of the question's words that they must be in its language."""
    asked = _split_words(question)
    told = frozenset[str]().union(*(_split_words(hit.text) for hit in hits))
    return len(asked & told) >= HELD * len(asked)


def read_thresholds(generation: IndexGeneration, settings: Mapping[str, Any]) -> Thresholds:
    """What its settings say, over what comes with the model. If they cannot be understood, none."""
    kept = settings.get(SETTING, {})
    found: dict[tuple[Mode, Script], float] = dict(PACKAGED.get(generation.fingerprint, {}))
    try:
        if kept.get(OFF):
            return {}
        for mode in get_args(Mode):
            for language, calibrated in kept.get(mode, {}).items():
                found[mode, language] = float(calibrated["threshold"])
    except (AttributeError, KeyError, TypeError, ValueError):
        log.warning(
            "The stored calibration of abstention cannot be read and is passed over; calibrate again."
        )
        return {}
    return found


def _split_words(text: str) -> frozenset[str]:
    """Every word once, the small ones too; scripts without spaces as single characters."""
    return frozenset(_WORD.findall(fold_text(text)))
