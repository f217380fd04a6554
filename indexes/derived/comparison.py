"""Whether a new generation finds about what the former one finds, before searches use it.

Questions are pieces of passages that are there, and each is asked inside the view of somebody who
may ask. Nothing of questions, views or hits leaves this module but counts, shares and times.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import SystemRandom
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog
from indexes.catalog.reading import ReadState
from indexes.embedder import Embedder, LoadEmbedder
from indexes.errors import ClearanceError, VectorsDiffer
from indexes.model import IndexGeneration, Principal

QUESTIONS = 60
LEAST_OVERLAP = (
    0.15  # what another model gives is far above, and what broken vectors give is about 0
)
_HITS = 10
_SHARE = 4  # in a small view, fewer hits than one of so many passages are looked at
_VIEWS = 20
_DOCUMENTS = 2_000  # of which the hits are found; both generations are asked about the same
_PASSAGES = 50_000
_BATCH = 64  # documents whose vectors are read together
_WORDS, _CHARS = 12, 60  # of one question
_DIGITS = 6  # of scores: passages with equal text score equally, however they are multiplied

_RANDOM = SystemRandom()

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """For operators: of one generation against the one before."""

    questions: int  # 0: nobody may read anything, so there is nothing to compare
    views: int
    overlap: float  # of the ten best hits, those in common beyond chance; 1: all, 0: as many as by chance
    score_before: float  # cosine of the best hit, the median
    score_after: float
    ms_before: float  # to embed one question and compare it with all these passages, the median
    ms_after: float

    def as_json(self) -> dict[str, float]:
        """For the result of a job."""
        names = ("overlap", "score_before", "score_after", "ms_before", "ms_after")
        rounded = {name: round(getattr(self, name), 3) for name in names}
        return {"questions": self.questions, "views": self.views, **rounded}

    def describe(self) -> str:
        """A sentence for operators."""
        if not self.questions:
            return "There was nothing to compare with the former vectors."
        return (
            f"{self.overlap:.0%} of the best hits stay, of {self.questions} questions"
            f" in {self.views} views;"
            f" best scores {self.score_before:.2f} before and {self.score_after:.2f} after,"
            f" {self.ms_before:.1f} ms and {self.ms_after:.1f} ms a question."
        )

    def require(self, least_overlap: float) -> None:
        """Raises VectorsDiffer if the new generation finds too little of what the former one does."""
        if self.questions and not self.overlap >= least_overlap:
            raise VectorsDiffer(
                f"{self.describe()} At least {least_overlap:.0%} are wanted.",
                remedy="Look whether the model is the right one. To switch in spite of it:"
                " clearance rebuild --model NAME --anyway. To forget the new vectors:"
                " clearance generations list, then drop",
            )


@dataclass(frozen=True, slots=True)
class _Question:
    text: str
    document: int  # that it was made of
    ordinal: int  # of the passage in it
    reader_sets: frozenset[int]  # of somebody who may read that


@dataclass(frozen=True, slots=True)
class _Pool:
    """The passages that are searched, with their vectors in both generations."""

    documents: Ints
    ordinals: Ints
    reader_sets: Ints
    former: Floats
    new: Floats

    def place_of(self, question: _Question) -> int | None:
        """Where the passage stands that it was made of; None if it is gone."""
        same = (self.documents == question.document) & (self.ordinals == question.ordinal)
        found = np.flatnonzero(same)
        return int(found[0]) if len(found) else None


def compare_generations(
    catalog: Catalog,
    former: IndexGeneration,
    new: IndexGeneration,
    embedder: Embedder,
    load_embedder: LoadEmbedder,
    go_on: Callable[[], None] = lambda: None,
) -> Comparison:
    """Ask both the same questions. embedder: of the new one. go_on: what it raises ends this."""
    people = [each.name for each in catalog.people.everybody("user") if each.state != "disabled"]
    with catalog.reading() as state:
        views = _sample_views(state, people)
        held = _sample_documents(state, views)
        questions = _make_questions(state, views, held)
    of_former = _former_embedder(former, load_embedder)
    with catalog.reading() as state:
        pool = _read_pool(state, held, former, new, go_on)
    asked = []
    for question in questions:
        go_on()
        found = _ask_both(question, pool, of_former, embedder)
        asked += [] if found is None else [found]
    if not asked:
        return Comparison(0, 0, 1.0, 0.0, 0.0, 0.0, 0.0)
    overlaps, *facts = zip(*asked, strict=True)
    seen = len({question.reader_sets for question in questions})
    return Comparison(len(asked), seen, fmean(overlaps), *map(median, facts))


def _sample_views(state: ReadState, people: Sequence[str]) -> list[frozenset[int]]:
    """The reader sets of some who may ask; if nobody may, all of them as one."""
    some = _RANDOM.sample(people, min(_VIEWS, len(people)))
    views = {frozenset(state.reader_sets(Principal(name=name)).tolist()) for name in some}
    in_use = frozenset(state.sets_in_use())
    return sorted({view & in_use for view in views} - {frozenset()}, key=sorted) or [in_use]


def _sample_documents(state: ReadState, views: Sequence[frozenset[int]]) -> dict[int, int]:
    """Documents that one of the views holds, with their reader sets."""
    wanted = frozenset().union(*views)
    there = [(document, held_by) for document, held_by, _ in state.heads() if held_by in wanted]
    return dict(_RANDOM.sample(there, min(_DOCUMENTS, len(there))))


def _make_questions(
    state: ReadState, views: Sequence[frozenset[int]], held: Mapping[int, int]
) -> list[_Question]:
    """Each of a passage in one of the views, the views in turn."""
    found = []
    seen_by = [[document for document, by in held.items() if by in view] for view in views]
    for number in range(QUESTIONS):
        view, documents = views[number % len(views)], seen_by[number % len(views)]
        if not documents:
            continue
        document = _RANDOM.choice(documents)
        texts = state.embedded_texts([document]).get(document, [])
        if texts:
            ordinal = _RANDOM.randrange(len(texts))
            found.append(_Question(_piece_of(texts[ordinal]), document, ordinal, view))
    return found


def _piece_of(text: str) -> str:
    """Some words from the middle."""
    words = text.split()
    start = max(0, (len(words) - _WORDS) // 2)
    return " ".join(words[start : start + _WORDS])[:_CHARS]


def _former_embedder(former: IndexGeneration, load_embedder: LoadEmbedder) -> Embedder | None:
    """None if it cannot be had any more, which may be why there is a new one."""
    try:
        found = load_embedder(former.model, former.fingerprint)
    except (ClearanceError, LookupError):
        return None
    return found if found.fingerprint == former.fingerprint else None


def _read_pool(
    state: ReadState,
    held: Mapping[int, int],
    former: IndexGeneration,
    new: IndexGeneration,
    go_on: Callable[[], None],
) -> _Pool:
    """The passages of these documents, as far as both generations have them."""
    parts, size = [_no_passages(former, new)], 0
    documents = list(held)
    for start in range(0, len(documents), _BATCH):
        go_on()
        batch = documents[start : start + _BATCH]
        old, fresh = state.vectors(former, batch), state.vectors(new, batch)
        for document in old.keys() & fresh.keys():
            count = len(old[document])
            numbers = np.full(count, document), np.arange(count), np.full(count, held[document])
            parts.append((*numbers, old[document], fresh[document]))
            size += count
        if size >= _PASSAGES:
            break
    return _Pool(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _no_passages(former: IndexGeneration, new: IndexGeneration) -> tuple[Any, ...]:
    nothing = np.empty(0, np.int64)
    empty = [np.empty((0, each.dimension), np.float32) for each in (former, new)]
    return nothing, nothing, nothing, *empty


def _ask_both(
    question: _Question, pool: _Pool, of_former: Embedder | None, of_new: Embedder
) -> tuple[float, float, float, float, float] | None:
    """(overlap, best score before and after, milliseconds before and after); None if the view is
    too small to tell.
    """
    visible = np.flatnonzero(np.isin(pool.reader_sets, list(question.reader_sets)))
    place = pool.place_of(question)
    wanted = min(_HITS, max(1, len(visible) // _SHARE))
    if place is None or len(visible) < 2:
        return None
    start = time.perf_counter()
    vector = pool.former[place] if of_former is None else of_former.query(question.text)
    before, best_before = _best(pool.former, visible, vector, wanted)
    between = time.perf_counter()
    after, best_after = _best(pool.new, visible, of_new.query(question.text), wanted)
    end = time.perf_counter()
    chance = wanted / len(visible)
    overlap = (len(before & after) / wanted - chance) / (1 - chance)
    return overlap, best_before, best_after, 1e3 * (between - start), 1e3 * (end - between)


def _best(vectors: Floats, visible: Ints, query: Floats, wanted: int) -> tuple[set[int], float]:
    """Which of the visible ones are best, and the score of the first.

    All are multiplied, which lets other threads go on; to copy the visible ones would not.
    """
    scores = np.round((vectors @ query)[visible], _DIGITS)
    best = np.lexsort((np.arange(len(scores)), -scores))[:wanted]
    return set(best.tolist()), float(scores[best[0]])
