"""Whether what was found is worth answering from. If it is not, the reply is that of an empty view,
with the nearest passages beside it for the asker to read.

Two things are judged. Evidence is how well the best passage of the caller's view matches: `SearchResult.evidence`, from 0
to 1. How little is too little depends on the embedding model, the way of searching and the language
of the question; so thresholds are calibrated from data for each of these and stored with the
generation. A question in another language than the passages shares no words with them and is less
near to them, whether they answer it or not; such questions are never refused.

Strength is how surely the passages that were found answer the question: what is near need not
answer (`answer_check`). Without a model, quotes say so themselves, and the passages are shown. With
one, the model is not asked if no document that was found holds a name or a year of the question, or
if the strength is below a threshold that was calibrated.

A threshold is set by an operator and moves with no document; all it is compared with is computed
inside the view. Figures, and what else was tried: docs/decisions/0007-abstention.md and 0028-answers.md.
"""

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from indexes.embedder.answer_scorer import WORDS
from indexes.model import Hit, IndexGeneration, Mode, SearchResult
from indexes.text.folding import fold_text
from indexes.text.scripts import UNSPACED, Script, script
from service.answering.answer_check.verdict import AnswerCheck, Verdict
from service.answering.budget import pack_everything

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a search gave, and what that is worth."""

    result: SearchResult
    weak: bool = False  # too little to answer from: the reply is that of an empty view
    # what the check says of the passages; None if nothing was found or it is weak
    verdict: Verdict | None = None
    # of an answer made of quotes; None: what comes with the check
    least_strength: float | None = None
    refuses_model: bool = False  # a model must not be asked


class EvidenceJudge:
    """Judges by the thresholds of the active generation, read anew at every request."""

    def __init__(self, thresholds: ThresholdSource, check: AnswerCheck | None = None) -> None:
        """check: if None, words alone tell what answers."""
        self._thresholds = thresholds
        self._check = check or AnswerCheck()

    def search_with_evidence(self, question: str, search: Callable[[], SearchResult]) -> Judged:
        """What the search gives, and what that is worth."""
        found = self._thresholds.in_force()
        result = search()
        if found is None or found[0].id != self._thresholds.generation().id:
            # another model became active meanwhile: its evidence is on another scale
            return Judged(result=result)
        if is_weak(question, result, read_thresholds(*found)):
            return Judged(result=result, weak=True)
        if not result.hits or not share_a_language(question, result.hits):
            return Judged(result=result)
        verdict = self._check.judge(question, pack_everything(result.hits, ())[0])
        return _judge_strength(result, verdict, found[1])


def _judge_strength(result: SearchResult, verdict: Verdict, settings: Mapping[str, Any]) -> Judged:
    """What is found, by the strength that is enough for such a question."""
    kind = result.mode, verdict.asked.language
    calibrated = read_calibrated_strengths(settings, verdict.checked_by).get(kind)
    too_little = calibrated is not None and verdict.strength < calibrated
    enough = verdict.least_strength if calibrated is None else calibrated
    return Judged(
        result=result,
        verdict=verdict,
        least_strength=0.0 if is_off(settings) else enough,
        refuses_model=(verdict.lacks_name or too_little) and not is_off(settings),
    )


def measure_strength(question: str, result: SearchResult, check: AnswerCheck) -> float:
    """How surely what was found answers: what a calibrated strength is compared with.

    Infinite if the passages are in another language than the question, which is never refused.
    """
    if not share_a_language(question, result.hits):
        return math.inf
    return check.judge(question, pack_everything(result.hits, ())[0]).strength


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


def is_off(settings: Mapping[str, Any]) -> bool:
    """Whether nothing is to be refused, whatever stands beside it."""
    kept = settings.get(SETTING)
    return isinstance(kept, Mapping) and bool(kept.get(OFF))


def read_thresholds(generation: IndexGeneration, settings: Mapping[str, Any]) -> Thresholds:
    """How little evidence is too little: what its settings say, over what comes with the model. If
    they cannot be understood, none.
    """
    if is_off(settings):
        return {}
    kept = _read_calibrated(settings, "threshold")
    return {} if kept is None else {**PACKAGED.get(generation.fingerprint, {}), **kept}


def read_strengths(settings: Mapping[str, Any], check: AnswerCheck) -> Thresholds:
    """How little strength is too little: what its settings say, over what comes with the check. The
    same for every embedding model.
    """
    if is_off(settings):
        return {}
    packaged: dict[tuple[Mode, Script], float] = {
        (mode, language): check.least_strength(language)
        for mode in get_args(Mode)
        for language in get_args(Script)
    }
    return {**packaged, **read_calibrated_strengths(settings, check.name)}


def read_calibrated_strengths(settings: Mapping[str, Any], checked_by: str) -> Thresholds:
    """Those that were calibrated with the check of this name: other strengths are other numbers."""
    return _read_calibrated(settings, "strength", checked_by) or {}


def _read_calibrated(
    settings: Mapping[str, Any], name: str, by: str | None = None
) -> Thresholds | None:
    """Every number of this name that the settings hold; None if they cannot be understood. by: only
    those of this check.
    """
    kept = settings.get(SETTING, {})
    try:
        return {
            (mode, language): float(calibrated[name])
            for mode in get_args(Mode)
            for language, calibrated in kept.get(mode, {}).items()
            if (name in calibrated and by in (None, calibrated.get("by", WORDS))) or not calibrated
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        log.warning(
            "The stored calibration of abstention cannot be read and is passed over; calibrate again."
        )
        return None


def _split_words(text: str) -> frozenset[str]:
    """Every word once, the small ones too; scripts without spaces as single characters."""
    return frozenset(_WORD.findall(fold_text(text)))
