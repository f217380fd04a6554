"""The keyword index against the naive definition of what it computes."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexes.keywords import KeywordIndex
from indexes.keywords.analysis import Analyser

ANALYSE = Analyser().terms
Ranking = tuple[NDArray[np.int64], NDArray[np.float64]]


def naive(texts: Mapping[int, str], question: str, k: int, k1: float = 1.2, b: float = 0.4) -> Ranking:
    """BM25 over exactly these passages, from its definition."""
    bags = {row: Counter(ANALYSE(text)) for row, text in texts.items()}
    lengths = {row: sum(bag.values()) for row, bag in bags.items()}
    scores = dict.fromkeys(texts, 0.0)
    for term, repeats in Counter(ANALYSE(question)).items():
        frequency = sum(term in bag for bag in bags.values())
        weight = repeats * math.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
        for row, bag in bags.items():
            if bag[term]:
                slope = k1 * b / (sum(lengths.values()) / len(texts))
                scores[row] += weight * (bag[term] / (bag[term] + (k1 * (1 - b) + slope * lengths[row])))
    best = sorted((-score, row) for row, score in scores.items() if score > 0)[:k]
    return np.array([row for _, row in best], np.int64), np.array([-score for score, _ in best], np.float64)


def identical(one: Ranking, other: Ranking) -> bool:
    return one[0].tobytes() == other[0].tobytes() and one[1].tobytes() == other[1].tobytes()


def sets(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted(numbers), np.int64)


WORDS = ["pay", "rise", "salary", "menu", "soup", "E1027", "the", "ISO-27001", "工资", "食堂菜单", "naïve"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
SET = st.sampled_from([0, 1, 7, 1 << 40])
CORPUS = st.lists(st.tuples(SET, TEXT), max_size=25)


def filled(corpus: list[tuple[int, str]]) -> KeywordIndex:
    index = KeywordIndex()
    for row, (number, text) in enumerate(corpus):
        index.add([row], number, [text])
    return index


@given(CORPUS, TEXT, st.sets(SET), st.integers(1, 30))
def test_scores_are_those_of_the_definition_applied_to_the_view(
    corpus: list[tuple[int, str]], question: str, view: set[int], k: int
) -> None:
    visible = {row: text for row, (number, text) in enumerate(corpus) if number in view}
    assert identical(filled(corpus).search(question, sets(view), k), naive(visible, question, k))
