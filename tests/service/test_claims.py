"""Which sentences of an answer claim something, and which of these the passages support."""

from collections.abc import Sequence

import pytest

from service.answering.claim_check import ClaimChecker
from service.answering.claims import Claim, ClaimFinder
from service.answering.no_answer import is_no_answer
from service.answering.quantities import find_quantities
from tests.service.given import hit, shown

HARBOUR = hit(
    "The harbour opens at six in summer, but not on Sundays. The master is called Ada Berg. A berth for one night costs"
    " 12 crowns. Lids of the boats are held by bolts that are 1.5 m long.",
    n=1,
    document="d1",
)
LIBRARY = hit(
    "图书馆的阅览室在二楼，周一不开放。借书证收费一百二十元。", n=2, document="d2", title="图书馆"
)


def claimed(sentence: str) -> str | None:
    found = ClaimFinder().find(sentence, (0, len(sentence)))
    return None if found is None else found.text


@pytest.mark.parametrize(
    "sentence",
    [
        "# Fees", "**Fees**", "The steps are:", "Here is what the passages say.", "Hello!", "Yes.", "Sure, here you are.",
        "I hope this helps.", "What does it cost?", "The passages do not mention dogs.", "1.", "---", "步骤如下：", "您好！",
        "以下是答案。", "希望这对您有帮助。", "资料中没有提到狗。", "| Fee | Crowns |",
    ],
)  # fmt: skip
def test_headings_introductions_and_courtesy_claim_nothing(sentence: str) -> None:
    assert claimed(sentence) is None


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("Based on the provided passages, the harbour opens at six.", "the harbour opens at six."),
        ("- **Berth**: 12 crowns", "Berth: 12 crowns"),
        ("2. Open the lid.", "Open the lid."),
        ("No dogs are allowed.", "No dogs are allowed."),
        ("Please submit the form to Personnel.", "Please submit the form to Personnel."),
        ("Answer: Paris", "Paris"),
        ("Salaries rise in March, as it says there.", "Salaries rise in March."),
        ("根据资料，港口六点开放。", "港口六点开放。"),
        ("请在周五之前提交。", "请在周五之前提交。"),
    ],
)
def test_what_stands_around_a_claim_is_no_part_of_it(sentence: str, claim: str) -> None:
    assert claimed(sentence) == claim


def test_rows_of_a_table_are_claims_and_its_header_is_none() -> None:
    finder = ClaimFinder()
    rows = ("| Fee | Crowns |", "|---|---|", "| Berth | 12 |")
    found = [finder.find(row, (0, len(row))) for row in rows]
    assert [claim and claim.text for claim in found] == [None, None, "Berth 12"]


class Nothing:
    """Knows no meanings, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def nearest(self, claim: str, sentences: Sequence[str]) -> int | None:
        self.asked.append(claim)
        return None


def verdict(claim: str, question: str = "") -> tuple[bool, str | None]:
    checker = ClaimChecker(question, shown(HARBOUR, LIBRARY), None)
    found = checker.check(Claim(claim, (0, len(claim))))
    return found.supported, found.reason


@pytest.mark.parametrize(
    "claim",
    [
        "The harbour opens at six in summer.",
        "The master of the harbour is Ada Berg.",
        "A night at a berth costs twelve crowns.",
        "The bolts that hold the lids are 1.5 m long.",
        "The harbour does not open on Sundays.",
        "阅览室在二楼。",
        "借书证收费120元。",
        "阅览室周一不开放。",
    ],
)
def test_what_a_passage_says_is_supported(claim: str) -> None:
    assert verdict(claim) == (True, None)


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("A berth for one night costs 15 crowns.", "numbers"),
        ("The bolts of the lids are 1.5 mm long.", "numbers"),
        ("The master is called Eva Berg.", "names"),
        ("The harbour does not open at six in summer.", "negation"),
        ("A berth for one night does not cost 12 crowns.", "negation"),
        ("The mayor is elected by farmers every year.", "words"),
        ("借书证收费150元。", "numbers"),
        ("阅览室不在二楼。", "negation"),
        ("市长由农民选举产生。", "words"),
    ],
)
def test_what_a_passage_says_otherwise_is_not(claim: str, reason: str) -> None:
    assert verdict(claim) == (False, reason)


def test_an_answer_of_a_word_is_held_against_the_question_too() -> None:
    assert verdict("12 crowns", "What does a berth cost for one night?") == (True, None)
    assert verdict("12 crowns", "What was the salary of the painter Rembrandt?")[0] is False


def test_another_language_is_asked_for_its_meaning_unless_a_number_is_missing() -> None:
    meaning = Nothing()
    checker = ClaimChecker("", shown(LIBRARY), meaning)
    assert not checker.check(Claim("A card costs 120 yuan.", (0, 10))).supported
    assert not checker.check(Claim("A card costs 150 yuan.", (0, 10))).supported
    assert meaning.asked == ["A card costs 120 yuan."]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,200 people", [("1200", "")]),
        ("twenty-five percent of 1.50 km", [("25", "%"), ("1.5", "km")]),
        ("$3.50 and 5 million", [("3.5", "dollar"), ("5000000", "")]),
        ("one of the two hundred and ten days", [("210", "day")]),
        ("一百二十人，一九九〇年，百分之三十五，3亿元", [("120", ""), ("1990", ""), ("35", "%"), ("300000000", "yuan")]),
        ("统一的一些十分重要", []),
    ],
)  # fmt: skip
def test_numbers_are_the_same_however_they_are_written(
    text: str, found: list[tuple[str, str]]
) -> None:
    assert [(each.value, each.unit) for each in find_quantities(text)] == found


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but based on the provided passages I cannot find information about the founder.",
        "The provided text doesn't specify the exact year.",
        "There is no mention of dogs in the documents.",
        "Unfortunately, the context does not contain enough information to answer the question. It only mentions fees.",
        "None of the passages mention the mayor.",
        "Not mentioned.",
        "I don't know.",
        "根據提供的資料，沒有提到創辦人。",
        "很抱歉，文檔中並未說明這個問題。",
        "抱歉。无法回答这个问题。",
        "文中没有给出具体的年份。",
        "根据所给段落，无法确定他的出生地。",
    ],
)
def test_a_model_may_say_in_many_ways_that_nothing_answers(text: str) -> None:
    assert is_no_answer(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The harbour is not open on Sundays.",
        "Dogs are not allowed in the reading room.",
        "The documents do not exclude dogs.",
        "The passages do not state the year, but the harbour was built in the 1920s by Dutch engineers.",
        "The company did not provide a refund to customers in 2019.",
        "Employees cannot find parking after nine.",
        "图书馆周一没有开放。",
        "狗不能进入图书馆。",
        "他未说明原因就离开了。",
        "港口六点开放，但没有说明冬季时间。",
    ],
)
def test_what_only_denies_something_is_an_answer(text: str) -> None:
    assert not is_no_answer(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("亿" * 600 + "元", id="a unit again and again"),
        pytest.param("一" * 5_000 + "年", id="digits again and again"),
        pytest.param("百分之" + "一" * 5_000, id="a long percentage"),
        pytest.param("hundred " * 2_300, id="a word again and again"),
        pytest.param("5 mıllion, 5 mİllion", id="letters that are i for patterns alone"),
    ],
)
def test_no_text_is_too_odd_for_its_numbers_to_be_read(text: str) -> None:
    assert all(len(found.value) < 400 for found in find_quantities(text))
