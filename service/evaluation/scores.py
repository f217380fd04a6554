"""What makes an answer good, as pure functions: of one question, and of many.

Each measure is a ratio of sums over questions: what an answer got, over what it could have got. A
question that says nothing about a measure adds nothing to either sum.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from indexes.text.folding import fold_text
from indexes.text.scripts import IDEOGRAPH, UNSPACED
from indexes.text.stop_words import ARTICLES
from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome

Unit = Literal["share", "tokens", "seconds"]
RatioTerms = tuple[float, float]  # of one question: what was got, what could be got

NOTHING: RatioTerms = (0.0, 0.0)
_MARKER = re.compile(r"\[\d+\]")
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def split_tokens(text: str) -> list[str]:
    """Lower-case words without punctuation and English articles; scripts without spaces as single
    characters, Traditional and Simplified Chinese as one.
    """
    plain = fold_text(unicodedata.normalize("NFKC", _MARKER.sub(" ", text)))
    found = _TOKEN.findall("".join(c for c in plain if not _is_punctuation(c)))
    if IDEOGRAPH.search(plain):
        return found
    return [token for token in found if token not in ARTICLES] or found


def exact_match(answer: str, right: Sequence[str]) -> float:
    """1 if the answer says the same as one of the right ones, else 0."""
    said = split_tokens(answer)
    return float(any(said == split_tokens(one) for one in right))


def f1(answer: str, right: Sequence[str]) -> float:
    """How much the answer shares with the nearest right one: harmonic mean of precision and recall
    over tokens.
    """
    said = Counter(split_tokens(answer))
    return max((_f1_of_counts(said, Counter(split_tokens(one))) for one in right), default=0.0)


def contains_answer(answer: str, right: Sequence[str]) -> float:
    """1 if one of the right answers stands in the answer, token for token, else 0."""
    said = split_tokens(answer)
    return float(any(_contains(split_tokens(one), said) for one in right))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is measured."""

    key: str
    title: str
    of: Callable[[Case, CaseOutcome], RatioTerms]
    unit: Unit = "share"
    lower_is_better: bool = False
    same_run: bool = False  # arms are compared only if they were asked in one run
    about: str = ""


def _score_right(
    measure: Callable[[str, Sequence[str]], float],
) -> Callable[[Case, CaseOutcome], RatioTerms]:
    """Over the questions whose answer is known; who abstains there got nothing."""

    def of(case: Case, outcome: CaseOutcome) -> RatioTerms:
        if not (case.answerable and case.answers):
            return NOTHING
        return (0.0 if outcome.abstained else measure(outcome.text, case.answers)), 1.0

    return of


def overall(case: Case, outcome: CaseOutcome) -> RatioTerms:
    if not case.answerable:
        return float(outcome.abstained), 1.0
    return _score_right(f1)(case, outcome)


def citation_precision(case: Case, outcome: CaseOutcome) -> RatioTerms:
    if case.answerable and not case.documents:
        return NOTHING  # it is not known which are right
    cited = set(outcome.cited)
    return float(len(cited & case.documents)), float(len(cited))


def citation_recall(case: Case, outcome: CaseOutcome) -> RatioTerms:
    if not case.answerable:
        return NOTHING
    return float(len(case.documents & set(outcome.cited))), float(len(case.documents))


def abstention_precision(case: Case, outcome: CaseOutcome) -> RatioTerms:
    return float(outcome.abstained and not case.answerable), float(outcome.abstained)


def abstention_recall(case: Case, outcome: CaseOutcome) -> RatioTerms:
    return float(outcome.abstained and not case.answerable), float(not case.answerable)


def document_shown(case: Case, outcome: CaseOutcome) -> RatioTerms:
    """1 if a document that answers the question was shown, else 0."""
    if not case.documents:
        return NOTHING
    return float(not case.documents.isdisjoint(outcome.shown)), 1.0


def _only(
    of: Callable[[Case, CaseOutcome], RatioTerms], *, follow_ups: bool
) -> Callable[[Case, CaseOutcome], RatioTerms]:
    """The measure over questions with a history, or over those that stand alone."""

    def of_those(case: Case, outcome: CaseOutcome) -> RatioTerms:
        return of(case, outcome) if bool(case.history) is follow_ups else NOTHING

    return of_those


def supported_share(case: Case, outcome: CaseOutcome) -> RatioTerms:
    """Also where no answer is known: it is measured by the passages that were shown."""
    return float(outcome.supported_claims), float(outcome.claims)


def prompt_tokens(case: Case, outcome: CaseOutcome) -> RatioTerms:
    return NOTHING if outcome.prompt_tokens is None else (float(outcome.prompt_tokens), 1.0)


def latency(case: Case, outcome: CaseOutcome) -> RatioTerms:
    return outcome.seconds, 1.0


MEASURES = (
    Measure(key="overall", title="right overall", of=overall, about="F1, and 1 for abstaining where that is right"),
    Measure(key="f1", title="F1", of=_score_right(f1), about="words (Chinese: characters) shared with a right answer"),
    Measure(key="exact", title="exact match", of=_score_right(exact_match), about="says a right answer and nothing else"),
    Measure(key="contained", title="contained answer", of=_score_right(contains_answer), about="a right answer stands in it"),
    Measure(
        key="citation_precision", title="citation precision", of=citation_precision,
        about="cited documents that do answer the question",
    ),
    Measure(
        key="citation_recall", title="citation recall", of=citation_recall,
        about="documents that answer, and that the asker may read, that are cited",
    ),
    Measure(
        key="abstention_precision", title="abstention precision", of=abstention_precision,
        about="abstentions that were right",
    ),
    Measure(
        key="abstention_recall", title="abstention recall", of=abstention_recall,
        about="questions without an answer for the asker, on which it abstained",
    ),
    Measure(
        key="supported", title="supported sentences", of=supported_share,
        about="of the sentences of a model's answers that claim something, those that its passages support",
    ),
    Measure(
        key="prompt_tokens", title="prompt tokens", of=prompt_tokens, unit="tokens", lower_is_better=True,
        about="mean of one prompt",
    ),
    Measure(
        key="latency", title="mean latency", of=latency, unit="seconds", lower_is_better=True, same_run=True,
        about="mean time to the whole answer",
    ),
)  # fmt: skip

FOLLOW_UP_MEASURES = tuple(
    Measure(key=f"{key}_{name}", title=f"{title}: {told}", of=_only(of, follow_ups=follow_ups), about=about)
    for key, told, of, about in (
        ("shown", "right document shown", document_shown, "a document that answers is among the passages"),
        ("contained", "contained answer", _score_right(contains_answer), "a right answer stands in it"),
    )
    for name, title, follow_ups in (
        ("follow_up", "follow-ups", True), ("alone", "without history", False),
    )
)  # fmt: skip
"""How questions inside a conversation fare, and those that stand alone beside them."""

ALL_MEASURES = (*MEASURES, *FOLLOW_UP_MEASURES)


def measures_for(cases: Iterable[Case]) -> tuple[Measure, ...]:
    """What is measured on these questions: follow-ups only if there are any."""
    return ALL_MEASURES if any(case.history for case in cases) else MEASURES


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share of them lies, neighbours weighed; None if there are none."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _is_punctuation(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind.startswith("P") or (char.isascii() and kind.startswith("S"))


def _f1_of_counts(said: Counter[str], right: Counter[str]) -> float:
    shared = (said & right).total()
    return 2 * shared / (said.total() + right.total()) if shared else float(not said and not right)


def _contains(part: list[str], whole: list[str]) -> bool:
    return bool(part) and any(
        whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1)
    )
