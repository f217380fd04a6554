import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexes.derived.keywords.index import KeywordIndex
from indexes.search.fusion import best_first, fuse

scores = st.dictionaries(st.integers(0, 30), st.floats(0, 20), max_size=12)
cosines = st.dictionaries(st.integers(0, 30), st.floats(-1, 1), max_size=12)


def fused(
    cosines: dict[int, float], keyword: dict[int, float], ceiling: float = 10.0
) -> list[tuple[int, float]]:
    """Rows with their fused scores, best first."""
    rows = np.array(list(cosines), np.int64)
    by_words = np.array([keyword.get(row, 0.0) for row in cosines])
    found = fuse(np.array(list(cosines.values())), by_words, ceiling)
    best, their_scores = best_first(rows, found, np.zeros(len(rows), np.int64), len(rows))
    return list(zip(best.tolist(), their_scores.tolist(), strict=True))


def test_what_is_near_and_has_the_words_comes_first() -> None:
    near, both, words = 1, 2, 3
    ranked = fused({near: 0.9, both: 0.88, words: 0.7}, {both: 9.0, words: 9.0})
    assert [row for row, _ in ranked] == [both, words, near]


def test_words_that_hardly_match_do_not_move_what_is_near() -> None:
    near, noise = 1, 2
    ranked = fused({near: 0.9, noise: 0.7}, {noise: 0.5})
    assert [row for row, _ in ranked] == [near, noise]


def test_equal_scores_are_ordered_by_row() -> None:
    assert [row for row, _ in fused({7: 0.5, 3: 0.5, 5: 0.5}, {})] == [3, 5, 7]


@given(cosines, scores, st.integers(31, 40), st.floats(-1, 1), st.floats(0, 20))
def test_another_hit_moves_no_score(
    near: dict[int, float], keyword: dict[int, float], another: int, cosine: float, score: float
) -> None:
    before = fused(near, keyword)
    after = fused({**near, another: cosine}, {**keyword, another: score})
    assert [hit for hit in after if hit[0] != another] == before


@given(cosines, scores, st.floats(0.1, 100))
def test_scores_are_those_of_the_definition(
    near: dict[int, float], keyword: dict[int, float], ceiling: float
) -> None:
    for row, score in fused(near, keyword, ceiling):
        assert score == (3.0 * near[row] + keyword.get(row, 0.0) / ceiling) / (3.0 + 1)


def test_a_question_without_words_is_ranked_by_nearness_alone() -> None:
    assert [row for row, _ in fused({1: 0.2, 2: 0.9}, {}, ceiling=0.0)] == [2, 1]


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
