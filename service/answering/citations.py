"""Markers `[n]` in an answer, checked against the passages that were supplied."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from indexes.formats import PageKind
from indexes.model import PageMark
from indexes.text.scripts import script
from indexes.text.sentences import sentences
from indexes.text.words import numbers_agree, terms
from service.answering.prompt import Passage, PassageSpan
from service.answering.tables import header_of, section_of, split_units
from service.answering.untrusted import InertText, keep_visible

SUPPORT = 0.5  # share of a sentence's content words that the cited passage must hold
LONGEST_MARKER = 120  # characters; a bracket that goes on longer is text
WIDEST_RANGE = 100  # [1-3] is three citations; [1-99999] is not thousands

_OPEN = re.compile(r"[\[【［]")
_CHAIN = re.compile(r"([ \t]*)((?:[\[【［][\d \t,，、;；&–-]*)+)")
_CLOSE = frozenset("]】］")
_ITEM = r"(?:\d{1,3}[ \t]*[–-][ \t]*\d{1,3}|\d+)"
_NUMBERS = re.compile(rf"[ \t]*{_ITEM}(?:[ \t,，、;；&]+{_ITEM})*[ \t]*")
_RANGE = re.compile(r"(\d+)(?:[ \t]*[–-][ \t]*(\d+))?")


@dataclass(frozen=True, slots=True)
class Page:
    """Where a quote stands, as the format counts it."""

    number: int
    name: str | None
    kind: PageKind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """One marker `[n]` of the answer and the words of the document that it points at."""

    n: int
    passage_id: str
    document_id: str
    title: str
    path: str
    media_type: str
    section: tuple[str, ...]
    page: Page | None  # of the quote's first character; None if there are no pages
    start: int  # quote == document.text[start:end]
    end: int
    quote: str
    span: tuple[int, int]  # the marker in Answer.text
    # the passage has all numbers of the cited sentence, and enough of its words or its meaning
    supported: bool
    header: str = ""  # caption, notes and header rows above the quote, if it is a row of a table


class Sentence:
    """One sentence of a passage, or one row of a table, with its content words."""

    def __init__(self, span: PassageSpan, start: int, end: int) -> None:
        self.span = span
        self.start = span.start + start  # in the document
        self.end = span.start + end
        self.text = span.text[start:end]
        # above a row of a table: caption, notes, header rows
        self.header = header_of(self.start, span.text, span.start, span.tables, span.header)

    @cached_property
    def forms(self) -> frozenset[str]:
        """Of a row, those of its header too: they say what its values are."""
        return frozenset(term.form for term in terms(f"{self.header}\n{self.text}"))

    @property
    def section(self) -> tuple[str, ...]:
        """The headings above it."""
        return section_of(self.start, self.span.headings, self.span.section)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A citation that shares no words with its passage, because answer and passage are in different
    languages.
    """

    claim: str  # the sentence of the answer
    citation: Citation
    passage: Passage
    evidence: tuple[Sentence, ...]  # all of the passage

    def resolve(self, place: int) -> Citation:
        """The citation, supported by this sentence of the evidence."""
        return make_citation(self.passage, self.evidence[place], self.citation.span, supported=True)


def split_sentences(passage: Passage) -> list[Sentence]:
    """The sentences of a passage and the rows of its tables, in reading order; none crosses from one
    unbroken stretch into the next.
    """
    return [
        Sentence(span, start, end)
        for span in passage.spans
        for start, end in split_units(span.text, span.start, span.tables)
    ]


def make_citation(
    passage: Passage, sentence: Sentence, span: tuple[int, int], *, supported: bool
) -> Citation:
    """The citation whose quote is this sentence of the passage."""
    return Citation(
        n=passage.n,
        passage_id=passage.id,
        document_id=passage.document_id,
        title=passage.title,
        path=passage.path,
        media_type=passage.media_type,
        section=sentence.section,
        page=find_page(sentence.span.pages, sentence.start, passage.page_kind),
        start=sentence.start,
        end=sentence.end,
        quote=sentence.text,
        span=span,
        supported=supported,
        header=sentence.header,
    )


def find_page(pages: Iterable[PageMark], offset: int, kind: PageKind | None) -> Page | None:
    """The page on which this character of the document stands."""
    begun = [mark for mark in pages if mark.start <= offset]
    if not begun:
        return None
    mark = max(begun, key=lambda mark: mark.start)
    return Page(mark.number, mark.name, kind)


@dataclass(frozen=True, slots=True)
class FinishedSentence:
    """A sentence of the answer to which nothing can be added any more."""

    text: str  # without its markers
    span: tuple[int, int]  # in the answer, with the markers inside it


@dataclass(frozen=True, slots=True)
class _OpenMarker:
    """A marker whose sentence is not finished yet."""

    n: int
    span: tuple[int, int]
    position: int  # in the text without markers


class CitationWriter:
    """An answer as it grows: inert text with checked markers, and each citation and each sentence
    as soon as the sentence is finished.

    Nothing of it depends on where the model's output was divided. `feed` and `finish` give what is
    new, in order; `text` and `citations` are all of it so far, `bare` is the text without its
    markers. `doubts` has what only the meaning could support, by marker.
    """

    def __init__(self, passages: Sequence[Passage], question: str) -> None:
        self.text = ""
        self.citations: list[Citation] = []
        self.doubts: dict[tuple[int, int], Doubt] = {}
        self._passages = {passage.n: passage for passage in passages}
        self._evidence: dict[int, list[Sentence]] = {}
        self._asked = frozenset(term.form for term in terms(question, question=True))
        self._rest = ""  # what may still become a marker
        self._begun = False
        self._inert = InertText()
        self.bare = ""  # the text without its markers, for finding sentences
        self._told = 0  # where the first sentence begins, in it, that has not been given out
        self._markers: list[tuple[int, int]] = []  # of each: where it stands in it, and its length
        self._run: set[int] = set()  # markers since the last word: [1][1] is [1]
        self._open_markers: list[_OpenMarker] = []

    def feed(self, delta: str) -> list["Written"]:
        """What the next stretch of the model's output makes certain."""
        self._rest += keep_visible(delta)
        before = len(self.text)
        self._read_rest(final=False)
        return [*self._text_since(before), *self._finish_sentences(final=False)]

    def finish(self) -> list["Written"]:
        """What was held back, and the last sentence with its citations."""
        before = len(self.text)
        self._read_rest(final=True)
        self._add_text(self._inert.finish(), raw=False)
        return [*self._text_since(before), *self._finish_sentences(final=True)]

    def _finish_sentences(self, *, final: bool) -> list["Written"]:
        return [*self._cite_finished(final=final), *self._tell_sentences(final=final)]

    def _tell_sentences(self, *, final: bool) -> list[FinishedSentence]:
        """The sentences that are finished and were not before. The last one may still grow."""
        begun = self._told
        found = [(begun + start, begun + end) for start, end in sentences(self.bare[begun:])]
        if not final:
            found = found[:-1]
        if found:
            self._told = found[-1][1]
        return [
            FinishedSentence(
                self.bare[start:end], (self._in_text(start + 1) - 1, self._in_text(end))
            )
            for start, end in found
        ]

    def _in_text(self, place: int) -> int:
        """Where a place of the text without markers is in the text with them, behind the markers that
        stand before it.
        """
        return place + sum(length for position, length in self._markers if position < place)

    def _text_since(self, before: int) -> list[str]:
        return [self.text[before:]] if len(self.text) > before else []

    def _read_rest(self, *, final: bool) -> None:
        """Moves everything that is certain from the rest to the text."""
        while (opening := self._find_bracket()) is not None:
            words = self._rest[: opening.start()].rstrip(" \t")
            self._add_text(words)
            self._rest = self._rest[len(words) :]
            if not self._read_bracket(final=final):
                return
        # space at the end may stand before a marker, or be the end of the answer
        words = self._rest.rstrip()
        self._add_text(words)
        self._rest = "" if final else self._rest[len(words) :]

    def _find_bracket(self) -> re.Match[str] | None:
        """The next bracket. An answer begins with its first word, not with the space before it."""
        if not self._begun:
            self._rest = self._rest.lstrip()
        return _OPEN.search(self._rest)

    def _read_bracket(self, *, final: bool) -> bool:
        """Decides about the bracket that the rest begins with; False if more text is needed first."""
        chain = _CHAIN.match(self._rest)
        assert chain is not None  # the caller found a bracket, with nothing but space before it
        space, brackets = chain.groups()
        follows = self._rest[chain.end() : chain.end() + 1]
        if not follows and not final and len(brackets) <= LONGEST_MARKER:
            return False
        inner = max(brackets.rfind(mark) for mark in "[【［")
        numbers = (
            _read_numbers(brackets[inner + 1 :])
            if follows in _CLOSE and len(brackets) <= LONGEST_MARKER
            else None
        )
        if numbers is None:
            self._add_text(space + brackets[0])
            self._rest = self._rest[len(space) + 1 :]
            return True
        tail = self._rest[chain.end() + 1 :]
        return self._read_marker(space, brackets[:inner], numbers, tail, final=final)

    def _read_marker(
        self, space: str, outer: str, numbers: Sequence[int], tail: str, *, final: bool
    ) -> bool:
        """As `_read_bracket`, of a marker with these numbers.

        outer: the brackets that were opened before its own. tail: what follows it.
        """
        supplied = [n for n in numbers if n in self._passages and n not in self._run]
        if supplied:
            self._add_text(space + outer)
            self._add_markers(supplied)
            self._rest = tail
            return True
        if not tail and not final and not outer:
            return False  # what follows decides whether the space before the marker stays
        keep = outer or (tail and (tail[0].isalnum() or _OPEN.match(tail)))
        self._rest = (space if keep else "") + outer + tail
        return True

    def _add_text(self, text: str, *, raw: bool = True) -> None:
        self._begun = self._begun or bool(text)
        given = self._inert.feed(text) if raw else text
        self.text += given
        self.bare += given
        if text.strip():
            self._run.clear()

    def _add_markers(self, numbers: Iterable[int]) -> None:
        for n in dict.fromkeys(numbers):
            marker = f"[{n}]"
            self._begun = True
            given = self._inert.feed(marker)
            self.bare += given.removesuffix(marker)
            self.text += given
            self._run.add(n)
            self._markers.append((len(self.bare), len(marker)))
            self._open_markers.append(
                _OpenMarker(n, (len(self.text) - len(marker), len(self.text)), len(self.bare))
            )

    def _cite_finished(self, *, final: bool) -> list[Citation]:
        """The citations whose sentences are finished."""
        if not self._open_markers:
            return []
        bounds = sentences(self.bare)
        settled: list[Citation] = []
        while self._open_markers:
            place = _find_sentence(self._open_markers[0].position, bounds, self.bare)
            if not final and (place is None or place >= len(bounds) - 1):
                break
            pending = self._open_markers.pop(0)
            claim = self.bare[slice(*bounds[place])] if place is not None else ""
            settled.append(self._check_support(pending, claim))
        self.citations.extend(settled)
        return settled

    def _check_support(self, pending: _OpenMarker, claim: str) -> Citation:
        passage = self._passages[pending.n]
        evidence = self._evidence.setdefault(pending.n, split_sentences(passage))
        # particles are no evidence
        claimed = frozenset(term.form for term in terms(claim, question=True))
        if not evidence:
            first = passage.spans[0]
            return make_citation(
                passage, Sentence(first, 0, len(first.text)), pending.span, supported=False
            )
        best = max(
            evidence,
            key=lambda sentence: (
                _score_agreement(sentence.forms, claimed, self._asked),
                -sentence.start,
            ),
        )
        held = frozenset[str]().union(*(sentence.forms for sentence in evidence))
        agree = bool(claimed) and numbers_agree(claim, held)
        shared = len(claimed & held) >= SUPPORT * len(claimed)
        citation = make_citation(passage, best, pending.span, supported=agree and shared)
        if agree and not shared and script(claim) != script(passage.text):
            self.doubts[pending.span] = Doubt(claim, citation, passage, tuple(evidence))
        return citation


Written = str | Citation | FinishedSentence
"""What becomes certain of an answer while it is written."""


def _read_numbers(body: str) -> list[int] | None:
    """The numbers of a marker, ranges written out; None if it is no marker."""
    if not _NUMBERS.fullmatch(body):
        return None
    found: list[int] = []
    for first, last in _RANGE.findall(body):
        span = range(int(first), int(last or first) + 1)
        found.extend(span if len(span) <= WIDEST_RANGE else ())
    return found


def _find_sentence(position: int, bounds: Sequence[tuple[int, int]], text: str) -> int | None:
    """The sentence that a marker here belongs to: the one around it, else the one before it, else
    the one it opens.
    """
    before = None
    for place, (start, end) in enumerate(bounds):
        if start < position <= end:
            return place
        if start >= position:
            opens_line = before is None or "\n" in text[bounds[before][1] : position]
            return place if opens_line and "\n" not in text[position:start] else before
        before = place
    return before


def _score_agreement(
    forms: frozenset[str], claimed: frozenset[str], asked: frozenset[str]
) -> float:
    """How well a sentence of the passage stands behind a claim; words that the question did not
    bring count double.
    """
    return (
        2 * len(forms & (claimed - asked))
        + len(forms & claimed & asked)
        + 0.5 * len(forms & (asked - claimed))
    )
