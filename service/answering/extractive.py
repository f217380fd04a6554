"""The answerer without a model: the sentences that answer, quoted and cited, each with what it needs
to be understood.

Which sentences answer, and how surely, `answer_check` says, of these passages alone: nothing that
the caller may not read has a say. Usually one sentence is quoted. Another one stands beside it only
if it gives another answer, or nearly as sure one of another document: whatever one document says,
that the documents hold no answer above all, cannot keep the others out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.answering.answer_check.kinds import Kind, gives
from service.answering.answer_check.opposites import negates
from service.answering.answer_check.verdict import AnswerCheck, JudgedSentence, Verdict
from service.answering.citations import Citation, Sentence, make_citation
from service.answering.lists import find_list, is_item
from service.answering.prompt import Passage
from service.answering.untrusted import disarm, make_inert

AT_MOST = 3  # sentences
MAX_HEADER_CHARS = 600  # of what is quoted above a row; if there is more, its last lines
MAX_LIST_CHARS = 1_500  # of a list that is quoted as a whole
# how much less sure than the best one a sentence may be that gives another answer,
# by whether it stands in another document
NEARLY_AS_SURE = {True: 1.0, False: 0.35}

_ASKS_FOR_LIST = re.compile(
    r"\b(?:steps?|procedure|list|which are|what are)\b|步骤|步驟|流程|哪些|哪几|哪幾", re.IGNORECASE
)

_words_alone = AnswerCheck()


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that answers, or the whole list that does."""

    passage: Passage
    sentence: Sentence
    score: float


def choose_quotes(
    question: str,
    passages: Sequence[Passage],
    verdict: Verdict | None = None,
    least_strength: float | None = None,
) -> tuple[Quote, ...]:
    """One to three sentences that answer, the best first; none if it is not sure enough that they do.

    verdict: of these passages; if None, it is made here. least_strength: how sure is enough; if
    None, what comes with the check.
    """
    verdict = verdict or _words_alone.judge(question, passages)
    if least_strength is None:
        least_strength = verdict.least_strength
    if verdict.strength < least_strength:
        return ()
    chosen: list[JudgedSentence] = []
    for judged in verdict.sentences:
        if len(chosen) < AT_MOST and (not chosen or _adds_an_answer(judged, chosen, verdict)):
            chosen.append(judged)
    quotes = (Quote(each.passage, _complete(each.sentence, verdict), each.score) for each in chosen)
    return tuple(_without_repeats(quotes))


def _adds_an_answer(
    judged: JudgedSentence, chosen: Sequence[JudgedSentence], verdict: Verdict
) -> bool:
    """Whether it gives an answer that is nearly as sure and that the others do not give."""
    elsewhere = all(judged.passage.document_id != each.passage.document_id for each in chosen)
    if judged.score < chosen[0].score - NEARLY_AS_SURE[elsewhere]:
        return False
    said = " ".join(each.sentence.text for each in chosen)
    if judged.sentence.text in said:
        return False
    if elsewhere and negates(said) and not negates(judged.sentence.text):
        return True
    another = gives(verdict.asked.kind, judged.sentence.text, f"{verdict.asked.text} {said}")
    if another is None:
        return elsewhere or not any(judged.sentence.forms <= each.sentence.forms for each in chosen)
    return another


def _without_repeats(quotes: Iterator[Quote]) -> Iterator[Quote]:
    """Leaves out what stands in a list that is quoted as a whole already."""
    before: list[Quote] = []
    for quote in quotes:
        inside = any(
            quote.passage is other.passage
            and other.sentence.start <= quote.sentence.start < other.sentence.end
            for other in before
        )
        if not inside:
            before.append(quote)
            yield quote


def _complete(sentence: Sentence, verdict: Verdict) -> Sentence:
    """The sentence with the list that it announces, or that it is an item of if all are asked for."""
    if sentence.header:
        return sentence
    span = sentence.span
    asked = verdict.asked
    all_asked = asked.kind is Kind.HOW or _ASKS_FOR_LIST.search(asked.text) is not None
    start, end = sentence.start - span.start, sentence.end - span.start
    first, last = find_list(span.text, start, end, all_asked=all_asked)
    return Sentence(span, first, last) if last - first <= MAX_LIST_CHARS else sentence


def compose_answer(chosen: Sequence[Quote]) -> list[tuple[str, Citation]]:
    """The answer in pieces, each with its citation; the pieces together are the text."""
    pieces: list[tuple[str, Citation]] = []
    length = 0
    for quote in chosen:
        words = make_inert(disarm(_quoted_lines(quote.sentence)))
        marker = f"[{quote.passage.n}]"
        text = f"{chr(10) if pieces else ''}“{words}” {marker}"
        length += len(text)
        span = (length - len(marker), length)
        pieces.append((text, make_citation(quote.passage, quote.sentence, span, supported=True)))
    return pieces


def _quoted_lines(sentence: Sentence) -> str:
    """A sentence on one line, a list on the lines of its items; a row of a table below what stands
    above it.
    """
    above = [line for line in sentence.header.split("\n") if line]
    while above and sum(map(len, above)) > MAX_HEADER_CHARS:
        above = above[1:]
    return "\n".join(" ".join(line.split()) for line in (*above, *_lines(sentence.text)))


def _lines(text: str) -> list[str]:
    """The items of a list one by one; anything else is one line."""
    lines = [line for line in text.split("\n") if line.strip()]
    return lines if len(lines) > 1 and is_item(lines[-1].lstrip()) else [text]
