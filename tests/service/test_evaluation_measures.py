"""Measures on answers whose score can be computed by hand, and intervals that hold what they
promise.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.cases import Case
from service.evaluation.comparison import (
    Comparison,
    Estimate,
    compare_arms,
    estimate_differences,
    estimate_ratios,
    summarize_arms,
)
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.scores import (
    MEASURES,
    contains_answer,
    exact_match,
    f1,
    quantile,
    split_tokens,
)

BY_KEY = {measure.key: measure for measure in MEASURES}
MARCH = ("in March", "March")
PAY = Case(
    id="1",
    question="?",
    user="user:ada",
    answerable=True,
    answers=MARCH,
    documents=frozenset({"pay"}),
)
HIDDEN = Case(id="2", question="Who?", user="user:bob", answerable=False)
UNKNOWN = Case(id="3", question="What?", user="user:ada", answerable=True)


def said(text: str = "", **given) -> CaseOutcome:
    return CaseOutcome(**{"text": text, "abstained": False, **given})


def ratio(key: str, case: Case, outcome: CaseOutcome) -> float | None:
    got, could = BY_KEY[key].of(case, outcome)
    return got / could if could else None


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat, a Dog -- and AN owl!", ["cat", "dog", "and", "owl"]),
        ("It costs $3.50 [1][2].", ["it", "costs", "350"]),
        ("“Quoted” words… [12]", ["quoted", "words"]),
        ("ＭＡＲＣＨ ３", ["march", "3"]),
        ("工资在三月上涨。[1]", ["工", "资", "在", "三", "月", "上", "涨"]),
        ("光荣和ω-force", ["光", "荣", "和", "ωforce"]),
        ("在 A 座", ["在", "a", "座"]),
        ("A", ["a"]),
        ("?!", []),
    ],
)
def test_answers_are_compared_as_words_without_punctuation_and_articles_and_chinese_as_characters(
    text, expected
):
    assert split_tokens(text) == expected


@pytest.mark.parametrize(
    ("answer", "right", "matches", "shares", "holds"),
    [
        ("In March. [1]", ["in March", "March"], 1, 1.0, 1),
        ("Salaries rise in March [1].", ["March"], 0, 2 / 5, 1),  # precision 1/4, recall 1
        ("Salaries rise in March [1].", ["in May"], 0, 2 * (1 / 4) * (1 / 2) / (3 / 4), 0),
        ("the march", ["March march"], 0, 2 / 3, 0),  # each token counts as often as it stands
        ("marching", ["March"], 0, 0.0, 0),  # contained means whole words
        ("in 2010", ["10"], 0, 0.0, 0),
        ("三月上涨。", ["三月"], 0, 2 * 2 / 6, 1),
        ("三月", ["三月。"], 1, 1.0, 1),
        ("三月漲薪", ["三月涨薪"], 1, 1.0, 1),
        ("月三", ["三月"], 0, 1.0, 0),
        ("", ["March"], 0, 0.0, 0),
        ("March", [], 0, 0.0, 0),
    ],
)
def test_match_f1_and_containment_on_cases_done_by_hand(answer, right, matches, shares, holds):
    assert exact_match(answer, right) == matches
    assert f1(answer, right) == pytest.approx(shares)
    assert contains_answer(answer, right) == holds


@given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=3))
def test_scores_are_shares_and_what_matches_shares_everything(answer, right):
    assert 0 <= f1(answer, right) <= 1
    assert f1(answer, [answer]) == 1
    if exact_match(answer, right):
        assert f1(answer, right) == 1


def test_who_abstains_has_answered_nothing_however_much_its_sentence_shares():
    assert ratio("f1", PAY, said("March is not in the documents.", abstained=True)) == 0
    assert ratio("overall", PAY, said("March", abstained=True)) == 0
    assert ratio("overall", HIDDEN, said("I cannot tell.", abstained=True)) == 1
    assert ratio("overall", HIDDEN, said("March")) == 0
    assert ratio("overall", PAY, said("March")) == 1


def test_a_question_whose_answer_is_not_known_is_left_out_of_what_needs_it():
    assert [
        ratio(key, UNKNOWN, said("March", cited=("pay",)))
        for key in ("overall", "f1", "exact", "contained")
    ] == [None] * 4
    assert ratio("citation_precision", UNKNOWN, said("March", cited=("pay",))) is None
    assert ratio("f1", HIDDEN, said("March")) is None


# --- citations and abstention -------------------------------------------------------------------


def test_citations_are_held_against_the_documents_that_answer():
    both = Case(
        id="4", question="?", user="user:ada", answerable=True, documents=frozenset({"pay", "law"})
    )
    assert BY_KEY["citation_precision"].of(both, said(cited=("pay", "menu", "map"))) == (1, 3)
    assert BY_KEY["citation_recall"].of(both, said(cited=("pay", "menu", "map"))) == (1, 2)
    assert ratio("citation_precision", both, said()) is None
    assert ratio("citation_recall", both, said()) == 0
    assert ratio("citation_precision", HIDDEN, said(cited=("menu",))) == 0
    assert ratio("citation_recall", HIDDEN, said(cited=("menu",))) is None


def test_abstention_counts_who_had_to_and_who_did():
    cases = [PAY, HIDDEN, HIDDEN, UNKNOWN]
    outcomes = [said(abstained=True), said(abstained=True), said("March"), said("March")]
    parts = {
        key: np.sum(
            [BY_KEY[key].of(case, outcome) for case, outcome in zip(cases, outcomes, strict=True)],
            axis=0,
        )
        for key in ("abstention_precision", "abstention_recall")
    }
    assert parts["abstention_precision"].tolist() == [1, 2]
    assert parts["abstention_recall"].tolist() == [1, 2]


def test_cost_is_counted_where_it_is_known():
    assert ratio("prompt_tokens", PAY, said(prompt_tokens=812)) == 812
    assert ratio("prompt_tokens", PAY, said()) is None
    assert ratio("latency", PAY, said(seconds=1.5)) == 1.5


def test_quantiles_weigh_neighbours():
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([1, 2], 0.5) == 1.5
    assert quantile(range(1, 101), 0.95) == pytest.approx(95.05)
    assert quantile([], 0.5) is None


# --- intervals and verdicts ---------------------------------------------------------------------


def parts_of(values: np.ndarray) -> np.ndarray:
    return np.column_stack([values, np.ones_like(values)])


def test_nineteen_of_twenty_intervals_hold_the_true_difference():
    chance = np.random.default_rng(5)
    held = 0
    for trial in range(200):
        hard = chance.random(120)  # a question that is hard is hard for both
        first = (chance.random(120) < 0.4 + 0.3 * hard).astype(float)
        other = (chance.random(120) < 0.5 + 0.3 * hard).astype(float)
        (found,) = estimate_differences(
            [parts_of(first), parts_of(other)], seed=trial, resamples=1_000
        )
        assert found is not None
        held += found.low <= 0.1 <= found.high
    assert 180 <= held <= 199


def test_the_same_questions_are_drawn_for_both_so_a_steady_difference_is_certain():
    values = np.random.default_rng(1).random(50)
    (found,) = estimate_differences([parts_of(values), parts_of(values + 0.25)], seed=0)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_the_same_seed_gives_the_same_interval_and_no_question_gives_none():
    values = parts_of(np.random.default_rng(2).random(30))
    assert (
        estimate_ratios([values], seed=3)
        == estimate_ratios([values], seed=3)
        != estimate_ratios([values], seed=4)
    )
    assert estimate_ratios([np.zeros((4, 2))], seed=0) == [None]
    assert estimate_ratios([np.zeros((0, 2))], seed=0) == [None]


def verdict(key: str, value: float, low: float, high: float) -> str:
    estimate = Estimate(value, low, high, 100)
    return Comparison(measure=BY_KEY[key], arm="b", first="a", difference=estimate).verdict


def test_verdicts_are_plain_sentences():
    assert verdict("f1", 0.031, 0.011, 0.052) == "b is better than a on F1 by 0.03 [0.01, 0.05]"
    assert verdict("f1", -0.031, -0.052, -0.011) == "b is worse than a on F1 by 0.03 [0.01, 0.05]"
    assert (
        verdict("f1", -0.001, -0.02, 0.02)
        == "no difference shown between b and a on F1: 0.00 [-0.02, 0.02]"
    )
    assert verdict("prompt_tokens", -1200.4, -1300, -1100) == (
        "b is better than a on prompt tokens by 1,200 [1,100, 1,300]"
    )
    assert (
        verdict("latency", 0.5, 0.4, 0.6)
        == "b is worse than a on mean latency by 0.50 [0.40, 0.60] s"
    )


def test_failures_are_counted_and_measured_in_nothing_and_pairs_need_both():
    cases = [
        Case(id=str(n), question="?", user="user:ada", answerable=True, answers=("yes",))
        for n in range(4)
    ]
    outcomes = {("a", case.id): said("yes") for case in cases}
    outcomes |= {("b", case.id): said("no") for case in cases}
    outcomes["a", "0"] = said(failure="The model server is too slow.")
    first, other = summarize_arms(("a", "b"), cases, outcomes, {("b", "2"): ("secret",)}, seed=0)
    assert (first.asked, first.failed, first.estimates["f1"].questions) == (4, 1, 3)
    assert (first.leaks, other.leaks) == (0, 1)
    assert first.estimates["f1"].value == 1
    found = {
        each.measure.key: each.difference
        for each in compare_arms(("a", "b"), cases, outcomes, seed=0)
    }
    assert found["f1"] == Estimate(-1, -1, -1, 3)
    assert "prompt_tokens" not in found
