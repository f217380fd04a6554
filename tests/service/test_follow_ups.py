"""Follow-ups without a model: what is named replaces what was named of its kind, nothing is added to
a question that stands alone, and nothing piles up over turns that nothing answered.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.follow_ups import Conversation, find_faults, read_conversations, search_words
from service.answering import phrases
from service.answering.follow_ups import CONTEXT_CHARS, complete_by_rule
from service.answering.leaning import leans
from service.answering.prompt import Turn
from tests.service.given import texts

SOUP = "When does the canteen serve soup?"
HOLIDAYS = "How many holidays does the Legal department get in Norway in 2019?"
LEAVE = "法务部每年有多少天年假？"
NOT_ANSWERED = phrases.NOT_ANSWERED["en"]


def conversation(*said: str | None) -> tuple[Turn, ...]:
    """Questions and answers by turns; None for the sentence that nothing answers."""
    return tuple(
        Turn("assistant" if place % 2 else "user", NOT_ANSWERED if text is None else text)
        for place, text in enumerate(said)
    )


def after(before: str, question: str) -> str:
    return complete_by_rule(question, conversation(before, "Yes [1]."))


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        (HOLIDAYS, "And of Sales?", "How many holidays does the Sales department get in Norway in 2019?"),
        (HOLIDAYS, "And in Sweden in 2020?", "How many holidays does the Legal department get in Sweden in 2020?"),
        (HOLIDAYS, "And the warehouse?", "How many holidays does the warehouse get in Norway in 2019?"),
        (SOUP, "What about tea?", "When does the canteen serve tea?"),
        (SOUP, "And the library?", "When does the library serve soup?"),
        ("Who is the head of the library?", "And the museum?", "Who is the head of the museum?"),
        ("Are dogs allowed in the office?", "And cats?", "Are cats allowed in the office?"),
        ("How long may I keep a book?", "And a film?", "How long may I keep a film?"),
        ("Who signs contracts above 10000 florins?", "Above 50000?", "Who signs contracts above 50000 florins?"),
        (LEAVE, "那销售部呢？", "销售部每年有多少天年假？"),
        ("在上海出差的住宿标准是多少？", "北京呢？", "在北京出差的住宿标准是多少？"),
        ("工作三年的员工有几天年假？", "五年的呢？", "工作五年的员工有几天年假？"),
        ("谁负责采购部？", "那仓库呢？", "谁负责仓库？"),
        ("2030年的预算是多少？", "2031年的预算呢？", "2031年的预算是多少？"),
        ("2030年的预算是多少？", "2031年的收入呢？", "2031年的收入是多少？"),
    ],
)  # fmt: skip
def test_what_a_follow_up_names_replaces_what_was_named_of_its_kind(
    before: str, question: str, expected: str
) -> None:
    assert after(before, question) == expected


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        (SOUP, "And on Fridays?", "When does the canteen serve soup on Fridays?"),
        (LEAVE, "那2020年呢？", "2020年法务部每年有多少天年假？"),
        (SOUP, "Why?", "Why? (canteen serve soup)"),
        (SOUP, "When does it close?", "When does it close? (canteen serve soup)"),
        (SOUP, "那周五呢？", "那周五呢？ (canteen serve soup)"),
        (HOLIDAYS, "And how many in 2020?", "And how many in 2020? (holidays Legal department get Norway)"),
        (LEAVE, "为什么？", "为什么？ (法务部每年 天年假)"),
        (SOUP, "And the other canteen?", "And the other canteen? (serve soup)"),
    ],
)  # fmt: skip
def test_what_replaces_nothing_is_added(before: str, question: str, expected: str) -> None:
    assert after(before, question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Is it true that the canteen closes in August?",
        "How long does it take to get a visa?",
        "Is it allowed to bring dogs to the office?",
        "If a parcel is damaged, who pays for it?",
        "Before they leave, must visitors return the badge?",
        "Can employees take their laptop abroad?",
        "Is there a bicycle shed at the workshop?",
        "And who approves the travel costs of the board?",
        "This year, how many apprentices were hired?",
        "What is Wulver?",
        "听说公司要搬到盐湾，这是真的吗？",
        "如果传感器坏了，它由谁修理？",
        "员工离职时，他们的门禁卡交给谁？",
        "其他国家的员工如何申请签证？",
        "另外，会议室怎么预订？",
        "该如何申请育儿假？",
        "什么是棱柱？",
        "巴吞他尼府建于哪一年？",
    ],
)
def test_nothing_is_added_to_a_question_that_stands_alone(question: str) -> None:
    assert after(SOUP, question) == after(LEAVE, question) == question


@pytest.mark.parametrize(
    "question",
    ["When does it close?", "Does the museum sell it?", "Who works there?", "What does this mean in practice?",
     "Thanks, and who decides it?", "Which of them is open on Sundays?", "它由谁修理？", "他的电话是多少？"],
)  # fmt: skip
def test_a_word_that_stands_for_what_is_not_named_leans(question: str) -> None:
    assert leans(question)


def test_nothing_piles_up_over_turns_that_nothing_answered() -> None:
    said = (HOLIDAYS, "28 days [1].", "And of Astronomy?", None, "And of Alchemy?", None)
    expected = HOLIDAYS.replace("Legal", "Sales")
    assert complete_by_rule("And of Sales?", conversation(*said)) == expected


def test_what_was_asked_in_full_is_the_subject_also_if_nothing_answered_it() -> None:
    said = (HOLIDAYS, "28 days [1].", "Who painted the ceiling of the chapel?", None)
    asked = complete_by_rule("And the door?", conversation(*said))
    assert asked == "Who painted the ceiling of the door?"


def test_a_chain_of_follow_ups_keeps_to_its_subject() -> None:
    said = (HOLIDAYS, "28 [1].", "And of Sales?", "26 [1].", "Thanks!", "You are welcome.")
    asked = complete_by_rule("And in 2020?", conversation(*said))
    assert asked == "How many holidays does the Sales department get in Norway in 2020?"


def test_greetings_between_are_no_questions() -> None:
    said = (SOUP, "On Mondays [1].", "Hello", "Hello. Questions are answered here.")
    assert complete_by_rule("Why?", conversation(*said)) == "Why? (canteen serve soup)"


@pytest.mark.parametrize("one", read_conversations(), ids=lambda one: one.asks)
def test_labelled_conversations_are_searched_for_as_they_should(one: Conversation) -> None:
    assert find_faults(one, search_words(one)) == []


@given(st.lists(texts, max_size=8), texts)
def test_any_conversation_comes_to_an_end_within_bounds(said: list[str], question: str) -> None:
    turns = conversation(*said)
    found = complete_by_rule(question, turns)
    longest = max((min(len(turn.text), CONTEXT_CHARS) for turn in turns), default=0)
    assert len(found) <= len(question) + longest + 100


def test_a_long_question_stands_alone() -> None:
    question = "does it take them there " * 2_000
    assert complete_by_rule(question, conversation(question, "No.", question, "No.")) == question
