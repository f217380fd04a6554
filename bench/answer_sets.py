"""Questions with the paragraphs that are shown for them, to measure who knows that they answer.

answerable    as the set has them; the paragraph that it was written from is among those shown
unanswerable  written to look answerable by the paragraph (SQuAD 2.0)
near-miss     an answerable question with one year, person, place or work exchanged, as `exchange` does
far           the paragraph is not shown, and no other shown one holds an answer
off-corpus    its article is not there (CMRC)

A near-miss is made of an answerable question whose text has a thing of a known kind: a year (four
digits), a person or a place (a short answer of another question that asks `who` or `where`), or a
work or a subject (what stands in 《》, or the title of the article). It is exchanged for another
thing of that kind from the same half of the set that its own article does not hold: no paragraph of
it. Which one, a hash of the question decides. Halves, samples and exchanges are the same in every run.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.extractive import DATA, Corpus, half, passages, rows
from indexes.text.folding import letters_and_digits
from service.answering.prompt import Passage

SHOWN = 8
MOST_OF_A_KIND = 200  # of the things that are exchanged
CHINESE = ("cmrc2018-dev-zh", "xquad-en-zh")
"""Of XQuAD, the Chinese questions alone: the English ones are of the articles of SQuAD."""

_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")
_WORK = re.compile(r"《([^》]{2,20})》")
_PERSON = re.compile(r"^\s*who\b|谁|哪位|何人", re.IGNORECASE)
_PLACE = re.compile(
    r"\bwhere\b|\b(?:what|which) (?:city|country|state|region|place)\b|哪里|哪个?(?:国家|城市|省|国|市|县|地区)|什么地方",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}|[\u4e00-\u9fff·•]{2,8}")


@dataclass(frozen=True, slots=True)
class AskedOf:
    """A question, and what is shown for it."""

    id: str
    set: str
    kind: str
    text: str
    answers: tuple[str, ...]
    source: str
    shown: tuple[Passage, ...]
    twin: str = ""  # of a near-miss: the question that it was made of
    exchanged: str = ""  # of a near-miss: the kind of thing


class QuestionSet:
    """One set with its paragraphs; one half of its questions."""

    def __init__(self, name: str, which: str) -> None:
        self.name = name
        self.which = which
        self.corpus = Corpus(DATA / "retrieval" / name)
        everything = rows(DATA / "retrieval" / name / "queries.jsonl.gz")
        language = "zh" if name in CHINESE else "en"
        those = (row for row in everything if half(row["_id"]) == which and row["lang"] == language)
        self.queries = sorted(those, key=_order)

    def answerable(self, count: int) -> Iterator[AskedOf]:
        for row in self._rows(True)[:count]:
            yield self._ask(row, "answerable", self._shown(row))

    def unanswerable(self, count: int) -> Iterator[AskedOf]:
        kind = "unanswerable" if self.name.startswith("squad") else "off-corpus"
        for row in self._rows(False)[:count]:
            yield self._ask(row, kind, self._shown(row))

    def far(self, count: int) -> Iterator[AskedOf]:
        for row in self._rows(True)[: 2 * count : 2]:
            shown = tuple(
                passage
                for passage in passages(self.corpus, row, SHOWN + 1, with_source=False)
                if passage.document_id != row["source_doc"]
                and not _holds(passage.text, row["answers"])
            )
            yield self._ask(row, "far", shown)

    def near_misses(self, count: int) -> Iterator[AskedOf]:
        """The first so many that can be made, of no kind of thing more than `MOST_OF_A_KIND`."""
        made: dict[str, int] = {}
        for row in self._rows(True):
            found = self._exchange(row)
            if found is None or made.get(found[0], 0) >= MOST_OF_A_KIND:
                continue
            made[found[0]] = made.get(found[0], 0) + 1
            other = {**row, "text": found[1], "answers": []}
            yield self._ask(
                other, "near-miss", self._shown(other), twin=row["text"], exchanged=found[0]
            )
            if sum(made.values()) >= count:
                return

    def twins(self, count: int) -> Iterator[AskedOf]:
        """The answerable questions that the near-misses were made of."""
        by_text = {row["text"]: row for row in self._rows(True)}
        for each in self.near_misses(count):
            row = by_text[each.twin]
            yield self._ask(row, "twin", self._shown(row), exchanged=each.exchanged)

    def _rows(self, answerable: bool) -> list[dict[str, Any]]:
        return [row for row in self.queries if row["answerable"] is answerable]

    def _shown(self, row: dict[str, Any]) -> tuple[Passage, ...]:
        return passages(self.corpus, row, SHOWN, with_source=True)

    def _ask(
        self,
        row: dict[str, Any],
        kind: str,
        shown: tuple[Passage, ...],
        *,
        twin: str = "",
        exchanged: str = "",
    ) -> AskedOf:
        return AskedOf(
            row["_id"],
            self.name,
            kind,
            row["text"],
            tuple(row["answers"]),
            row["source_doc"] or "",
            shown,
            twin,
            exchanged,
        )

    def _exchange(self, row: dict[str, Any]) -> tuple[str, str] | None:
        """The kind of thing, and the question with another one; None if it has none."""
        article = self._articles[self.corpus.documents[row["source_doc"]]["title"]]
        for kind in sorted(self._things, key=lambda kind: _number(f"{kind} {row['_id']}")):
            thing = self._find_thing(kind, row)
            if thing is None:
                continue
            others = [
                other
                for other in self._things[kind]
                if not _shares(other, thing)
                and not _shares_any(other, article)
                and other not in row["text"]
            ]
            if others:
                other = others[_number(row["_id"]) % len(others)]
                return kind, row["text"].replace(thing, other)
        return None

    def _find_thing(self, kind: str, row: dict[str, Any]) -> str | None:
        """The longest thing of this kind in the question that its article holds."""
        text = row["text"]
        article = self._articles[self.corpus.documents[row["source_doc"]]["title"]]
        there = [
            thing
            for thing in self._things[kind]
            if thing in article
            and (
                thing in text
                if not thing[0].isascii()
                else re.search(rf"(?<![\w-]){re.escape(thing)}(?![\w-]| [A-Z])", text)
            )
        ]
        return max(there, key=lambda thing: (len(thing), thing), default=None)

    @cached_property
    def _articles(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for row in self.corpus.documents.values():
            found[row["title"]] = f"{found.get(row['title'], row['title'])}\n{row['text']}"
        return found

    @cached_property
    def _things(self) -> dict[str, list[str]]:
        """By kind, what can be exchanged."""
        found: dict[str, set[str]] = {"year": set(), "person": set(), "place": set(), "work": set()}
        for row in self.queries:
            found["year"].update(_YEAR.findall(row["text"]))
            found["work"].update(_WORK.findall(row["text"]))
            for kind, asks in (("person", _PERSON), ("place", _PLACE)):
                if asks.search(row["text"]):
                    found[kind].update(name for name in row["answers"] if _NAME.fullmatch(name))
        for title in self._articles:
            subject = title.replace("_", " ")
            if _NAME.fullmatch(subject):
                found["work"].add(subject)
        return {kind: sorted(things) for kind, things in found.items()}


def _shares(one: str, other: str) -> bool:
    return one in other or other in one


def _shares_any(thing: str, text: str) -> bool:
    """Whether the text holds the thing, or a word of it."""
    if not thing[0].isascii():
        return thing in text
    lower = text.casefold()
    return any(word in lower for word in thing.casefold().split())


def _holds(text: str, answers: Sequence[str]) -> bool:
    told = letters_and_digits(text)
    return any(letters_and_digits(answer) in told for answer in answers)


def _order(row: dict[str, Any]) -> bytes:
    return hashlib.sha256(b"order " + row["_id"].encode()).digest()


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
