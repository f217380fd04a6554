"""A question set from what people said of their answers. It holds no text of a document."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexes.catalog.feedback import GivenOpinion

Record = Mapping[str, Any]
NOT_KEPT = "the question was not kept"
NOT_FINISHED = "nothing is recorded of how the answer ended"
GONE = "the documents that it cited are gone"
NOTHING_CITED = "it cited no document"  # a greeting, or JSON
NOT_GOOD = "the answer was not good"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackLines:
    """What was made of opinions."""

    cases: tuple[Mapping[str, Any], ...]  # lines as `sets.QuestionLine` reads them
    to_review: tuple[Mapping[str, Any], ...]  # answers that were not good, for people
    left_out: Mapping[str, int]  # how many opinions made no case, by reason


def make_lines(
    given: Sequence[GivenOpinion],
    about: Callable[[str], Sequence[Record]],
    path_of: Callable[[str], str | None],
) -> FeedbackLines:
    """about: what is recorded of an answer. path_of: where a document is now, if it is there."""
    cases, to_review, left_out = [], [], Counter[str]()
    for opinion in given:
        records = about(opinion.answer_id)
        question = opinion.question or _recorded_question(records)
        if opinion.verdict == "down":
            to_review.append(_review_line(opinion, question))
            left_out[NOT_GOOD] += 1
            continue
        made = NOT_KEPT if question is None else _case(opinion, question, records, path_of)
        if isinstance(made, str):
            left_out[made] += 1
        else:
            cases.append(made)
    return FeedbackLines(cases=tuple(cases), to_review=tuple(to_review), left_out=dict(left_out))


def _case(
    opinion: GivenOpinion,
    question: str,
    records: Sequence[Record],
    path_of: Callable[[str], str | None],
) -> dict[str, Any] | str:
    """The line, or why there is none."""
    line = {
        "id": opinion.answer_id,
        "question": question,
        "user": opinion.who.removeprefix("user:"),
    }
    ended = next((record for record in records if record["kind"] == "answered"), None)
    if ended is None:
        return NOT_FINISHED
    if ended["outcome"] == "abstained":
        return {**line, "answerable": False}
    if not ended["citations"]:
        return NOTHING_CITED
    paths = [path_of(name) for name in _cited(records, ended)]
    documents = sorted({path for path in paths if path is not None})
    if not documents:
        return GONE
    answers = {"answers": [opinion.expected]} if opinion.expected else {}
    return {**line, "answerable": True, "documents": documents, **answers}


def _cited(records: Sequence[Record], ended: Record) -> set[str]:
    """Ids of the documents that the answer cited."""
    asked = next(record for record in records if record["kind"] == "asked")
    return {asked["passages"][n - 1]["document"] for n in ended["citations"]}


def _recorded_question(records: Sequence[Record]) -> str | None:
    return next((record.get("question") for record in records if record["kind"] == "asked"), None)


def _review_line(opinion: GivenOpinion, question: str | None) -> dict[str, Any]:
    return {
        "answer": opinion.answer_id,
        "user": opinion.who.removeprefix("user:"),
        "question": question,
        "reason": opinion.reason,
        "expected": opinion.expected,
        "given_at": opinion.given_at.isoformat(),
    }
