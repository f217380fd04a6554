"""Siblings of a passage count for it, those among the hundred best of the caller's view, and nothing
else does.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.model import Mode, Row
from indexes.search import searcher
from indexes.search.fusion import best_first
from indexes.search.siblings import DEPTH, WEIGHT, add_siblings
from tests.world import MODES, World, as_bytes

CEILING = 9.0
Ranked = Sequence[tuple[Row, float]]

# (score, document) of each row
passages = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 2.0, 3.25, 8.5]), st.integers(-4, 4)), max_size=130
)


def ranked_alone(given_passages: list[tuple[float, int]]) -> Ranked:
    scored = enumerate(given_passages)
    order = sorted(scored, key=lambda one: (-one[1][0], one[1][1], one[0]))
    return [(Row(row), score) for row, (score, _) in order]


def weighed(given_passages: list[tuple[float, int]], ranked: Ranked) -> Ranked:
    rows = np.array([row for row, _ in ranked], np.int64)
    scores = np.array([score for _, score in ranked], np.float64)
    documents = np.array([given_passages[row][1] for row, _ in ranked], np.int64)
    whole = add_siblings(scores, documents, CEILING)
    best, their_scores = best_first(rows, whole, documents, len(rows))
    return list(zip(map(Row, best.tolist()), their_scores.tolist(), strict=True))


def by_definition(given_passages: list[tuple[float, int]], ranked: Ranked) -> Ranked:
    near = ranked[:DEPTH]
    whole = {}
    for row, score in near:
        others = [
            other_score
            for other, other_score in near
            if other != row and given_passages[other][1] == given_passages[row][1]
        ]
        siblings = sum(sorted(others, reverse=True)[:2])
        whole[row] = min(CEILING, score + WEIGHT * siblings / 2)
    order = sorted(whole, key=lambda row: (-whole[row], given_passages[row][1], row))
    return [(row, whole[row]) for row in order] + list(ranked[DEPTH:])


@settings(max_examples=200, deadline=None)
@given(passages)
def test_scores_are_those_of_the_definition_and_nothing_deeper_moves(
    given_passages: list[tuple[float, int]],
) -> None:
    ranked = ranked_alone(given_passages)
    found = weighed(given_passages, ranked)
    assert found == by_definition(given_passages, ranked)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert weighed(given_passages, ranked[:DEPTH]) == found[:DEPTH]


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0]), max_size=120))
def test_a_document_of_one_passage_scores_what_it_scores_alone(scores: list[float]) -> None:
    given_passages = [(score, row) for row, score in enumerate(scores)]
    ranked = ranked_alone(given_passages)
    assert weighed(given_passages, ranked) == ranked


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.people(ada=["hr"])
    made.put("poor", ["pay of summer", "soup of winter"], "group:hr")
    made.put("rich", ["pay of spring", "pay of autumn"], "group:hr")
    return made


def test_of_passages_that_match_alike_the_one_stands_first_whose_document_has_more(
    world: World,
) -> None:
    assert world.titles("ada", "pay", mode="keyword") == ["rich", "rich", "poor"]


def test_a_passage_without_a_word_of_the_question_is_not_found_for_its_document(
    world: World,
) -> None:
    assert "soup of winter" not in [
        hit.text for hit in world.search("ada", "pay", mode="keyword").hits
    ]


@pytest.mark.parametrize("mode", MODES)
def test_documents_that_the_asker_may_not_read_have_nothing_to_say(
    world: World, mode: Mode
) -> None:
    before = as_bytes(world.search("ada", "pay of spring", mode=mode))
    world.put("hidden", ["pay of nobody", "pay of spring", "pay"], "group:board")
    world.put("many", [f"pay of spring {number}" for number in range(150)], "group:board")
    assert as_bytes(world.search("ada", "pay of spring", mode=mode)) == before


@pytest.mark.parametrize("mode", MODES)
def test_how_many_are_asked_for_changes_neither_order_nor_score(world: World, mode: Mode) -> None:
    for number in range(40):
        parts = [f"pay of week {number} in part {part}" for part in range(number % 4 + 1)]
        world.put(f"week{number}", parts, "group:hr")
    deep = world.search("ada", "pay of week 7", 30, mode=mode).hits
    for k in (1, 3, 12):
        few = world.search("ada", "pay of week 7", k, mode=mode).hits
        assert [(hit.row, hit.score) for hit in few] == [(hit.row, hit.score) for hit in deep[:k]]


@pytest.mark.parametrize("mode", MODES)
def test_how_well_a_question_is_matched_is_said_of_its_best_passage_alone(
    world: World, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = world.search("ada", "pay of spring", mode=mode).evidence
    monkeypatch.setattr(searcher, "add_siblings", lambda scores, *_: scores)
    assert world.search("ada", "pay of spring", mode=mode).evidence == evidence
