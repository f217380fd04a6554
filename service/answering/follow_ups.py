"""A follow-up made to stand alone without a model, from the questions before it.

"And of Sales?" asks for the same of Sales: what it names replaces what was named of that kind. What
leans in another way gets the content words of the question before. A question that stands alone stays
as it is.

The question before is the last one that was answered or asked in full: nothing piles up over turns
that nothing answered, and greetings are no questions.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from indexes.text.folding import letters_and_digits
from indexes.text.scripts import script
from indexes.text.words import terms
from service.answering import phrases
from service.answering.greetings import find_courtesy
from service.answering.leaning import find_fragment, leans
from service.answering.prompt import Turn
from service.answering.question_parts import (
    COUNTED,
    Part,
    chinese_fragment,
    chinese_parts,
    english_fragment,
    english_parts,
    find_replaced,
)

RECENT_QUESTIONS = 6
CONTEXT_CHARS = 2_000  # of each of them
LONGEST = 400  # characters of a question whose parts are replaced
ADDED = 12  # content words at most

_ENDS = re.compile(r"\s*(?:[?？!！.。]|\(|$)")
_NO_ANSWERS = frozenset(
    letters_and_digits(said) for each in phrases.NO_ANSWERS for said in each.values()
)


def complete_by_rule(question: str, turns: Sequence[Turn]) -> str:
    """The question as it can be searched for. turns: the user's and the assistant's by turns."""
    return _complete(question, _find_subject(turns))


def _find_subject(turns: Sequence[Turn]) -> str:
    """The last question that was answered or asked in full, standing alone; empty if there is none."""
    subject = ""
    for asked, replied in list(_exchanges(turns))[-RECENT_QUESTIONS:]:
        completed = _complete(asked[:CONTEXT_CHARS], subject)
        if completed == asked[:CONTEXT_CHARS] or _is_answer(replied):
            subject = completed
    return subject


def _exchanges(turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """Questions with their replies, without greetings and thanks."""
    for turn, following in zip_longest(turns, turns[1:]):
        if turn.role == "user" and find_courtesy(turn.text) is None:
            yield turn.text, "" if following is None else following.text


def _is_answer(reply: str) -> bool:
    """Whether a reply is more than the sentence that says that nothing answers."""
    return letters_and_digits(reply) not in _NO_ANSWERS


def _complete(question: str, before: str) -> str:
    if not before or not leans(question):
        return question
    fragment = find_fragment(question)
    if fragment is not None and len(before) <= LONGEST and script(question) == script(before):
        asked_again = _ask_again(before, fragment)
        if asked_again is not None:
            return asked_again
    return _add_words(question, before)


def _ask_again(before: str, fragment: str) -> str | None:
    """The question before with what the fragment names in place of what it replaces; None if that
    names nothing new, or something that may be a question of its own.
    """
    is_chinese = script(before) != "en"
    parts = _parts(before)
    known = {part.text.casefold() for part in parts}
    wanted = chinese_fragment(fragment) if is_chinese else english_fragment(fragment)
    wanted = [part for part in wanted if part.text.casefold() not in known]
    added: list[str] = []
    taken: list[tuple[Part, Part]] = []
    for part in wanted:
        replaced = find_replaced(part, parts, is_chinese=is_chinese)
        if replaced is not None:
            parts = [one for one in parts if not _overlap(one, replaced)]
            taken.append((replaced, part))
        elif part.before or (is_chinese and part.kind in COUNTED):
            added.append(part.before + fragment[part.phrase + len(part.before) : part.until])
        else:
            return None
    said = before
    for replaced, part in sorted(taken, key=lambda pair: -pair[0].start):
        said = f"{said[: replaced.start]}{part.text}{said[replaced.end :]}"
    return _add_phrases(said, added, is_chinese=is_chinese) if wanted else None


def _overlap(one: Part, other: Part) -> bool:
    return one.start < other.end and other.start < one.end


def _add_phrases(question: str, phrases_added: Sequence[str], *, is_chinese: bool) -> str:
    """Chinese says first when, English last."""
    if is_chinese:
        return "".join([*phrases_added, question])
    end = _ENDS.search(question)
    assert end is not None
    return "".join(
        [question[: end.start()], *(f" {each}" for each in phrases_added), question[end.start() :]]
    )


def _parts(question: str) -> list[Part]:
    question = question.partition(" (")[0]  # words that were added are no parts of it
    return english_parts(question) if script(question) == "en" else chinese_parts(question)


def _add_words(question: str, before: str) -> str:
    """With the content words of the question before, but for what the question names itself."""
    own = {term.form for term in terms(question, question=True)}
    added = _content_words(_without_named_anew(before, question), own)[:ADDED]
    return f"{question} ({' '.join(added)})" if added else question


def _without_named_anew(before: str, question: str) -> str:
    """Without the years, days and numbers in whose place the question has others."""
    new = [part for part in _parts(question) if part.kind in COUNTED]
    old = [part for part in _parts(before) if part.kind in COUNTED]
    for part in sorted(old, key=lambda part: -part.start):
        if any(find_replaced(other, [part], is_chinese=script(before) != "en") for other in new):
            before = f"{before[: part.start]} {before[part.end :]}"
    return before


def _content_words(text: str, without: set[str]) -> list[str]:
    """The content words of a text as they stand there, each once; Chinese as the longest stretches."""
    spans: list[tuple[int, int]] = []
    seen = set(without)
    for term in terms(text, question=True):
        if term.form in seen:
            continue
        seen.add(term.form)
        if spans and term.start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(term.end, spans[-1][1]))
        else:
            spans.append((term.start, term.end))
    return [text[start:end] for start, end in spans]
