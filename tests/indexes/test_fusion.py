import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexes.derived.keywords.index import KeywordIndex
from indexes.model import Row
from indexes.search.fusion import fuse

scores = st.dictionaries(st.integers(0, 30).map(Row), st.floats(0, 20), max_size=12)
cosines = st.dictionaries(st.integers(0, 30).map(Row), st.floats(-1, 1), max_size=12)


def pairs(found: dict[Row, float]) -> list[tuple[Row, float]]:
    return list(found.items())


def test_what_is_near_and_has_the_words_comes_first() -> None:
    near, both, words = Row(1), Row(2), Row(3)
    ranked = fuse(
        pairs({near: 0.9, both: 0.88, words: 0.7}), pairs({both: 9.0, words: 9.0}), ceiling=10.0
    )
    assert [row for row, _ in ranked] == [both, words, near]


def test_words_that_hardly_match_do_not_move_what_is_near() -> None:
    near, noise = Row(1), Row(2)
    ranked = fuse(pairs({near: 0.9, noise: 0.7}), pairs({noise: 0.5}), ceiling=10.0)
    assert [row for row, _ in ranked] == [near, noise]


def test_equal_scores_are_ordered_by_row() -> None:
    ranked = fuse(pairs({Row(7): 0.5, Row(3): 0.5, Row(5): 0.5}), [], ceiling=10.0)
    assert [row for row, _ in ranked] == [3, 5, 7]


@given(cosines, scores, st.integers(31, 40).map(Row), st.floats(-1, 1), st.floats(0, 20))
def test_another_hit_moves_no_score(
    near: dict[Row, float], keyword: dict[Row, float], another: Row, cosine: float, score: float
) -> None:
    known = {row: value for row, value in keyword.items() if row in near}
    before = fuse(pairs(near), pairs(known), ceiling=10.0)
    after = fuse(pairs({**near, another: cosine}), pairs({**known, another: score}), ceiling=10.0)
    assert [hit for hit in after if hit[0] != another] == before


def test_a_question_without_words_is_ranked_by_nearness_alone() -> None:
    assert [row for row, _ in fuse(pairs({Row(1): 0.2, Row(2): 0.9}), [], ceiling=0.0)] == [2, 1]


@given(
    st.lists(st.sampled_from(["alpha", "beta", "gamma", "预算", "E1027"]), min_size=1, max_size=6),
    st.integers(0, 3),
)
def test_no_passage_reaches_the_ceiling(words: list[str], missing: int) -> None:
    index = KeywordIndex()
    index.add(np.arange(4), 1, ["alpha beta", "gamma " * 50, "预算 alpha alpha", "E1027"])
    question = " ".join([*words, *["nowhere"] * missing])
    _, scores, ceiling = index.rank(question, np.array([1]), 10)
    assert all(score < ceiling for score in scores)
    if missing:
        _, _, lower = index.rank(" ".join(words), np.array([1]), 10)
        assert ceiling > lower, "words that are found nowhere raise the ceiling"
