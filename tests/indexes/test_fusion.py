import math

from hypothesis import given
from hypothesis import strategies as st

from indexes.fusion import fuse, keyword_scale
from indexes.model import Row

scores = st.dictionaries(st.integers(0, 30).map(Row), st.floats(0, 20), max_size=12)
cosines = st.dictionaries(st.integers(0, 30).map(Row), st.floats(-1, 1), max_size=12)


def pairs(found: dict[Row, float]) -> list[tuple[Row, float]]:
    return list(found.items())


def test_what_is_near_and_has_the_words_comes_first() -> None:
    near, both, words = Row(1), Row(2), Row(3)
    ranked = fuse(pairs({near: 0.9, both: 0.88, words: 0.7}), pairs({both: 9.0, words: 9.0}), scale=10.0)
    assert [row for row, _ in ranked] == [both, words, near]


def test_words_that_hardly_match_do_not_move_what_is_near() -> None:
    near, noise = Row(1), Row(2)
    ranked = fuse(pairs({near: 0.9, noise: 0.7}), pairs({noise: 0.5}), scale=10.0)
    assert [row for row, _ in ranked] == [near, noise]


def test_equal_scores_are_ordered_by_row() -> None:
    ranked = fuse(pairs({Row(7): 0.5, Row(3): 0.5, Row(5): 0.5}), [], scale=10.0)
    assert [row for row, _ in ranked] == [3, 5, 7]


@given(cosines, scores, st.integers(31, 40).map(Row), st.floats(-1, 1), st.floats(0, 20))
def test_another_hit_moves_no_score(
    near: dict[Row, float], keyword: dict[Row, float], another: Row, cosine: float, score: float
) -> None:
    known = {row: value for row, value in keyword.items() if row in near}
    before = fuse(pairs(near), pairs(known), scale=10.0)
    after = fuse(pairs({**near, another: cosine}), pairs({**known, another: score}), scale=10.0)
    assert [hit for hit in after if hit[0] != another] == before


def test_longer_questions_have_a_larger_scale_and_an_empty_one_has_a_scale_too() -> None:
    assert keyword_scale("alpha beta gamma delta") == 2 * keyword_scale("alpha")
    assert keyword_scale("") == keyword_scale("alpha")
    assert math.isclose(keyword_scale("年假结转") ** 2, 3 * keyword_scale("alpha") ** 2)
