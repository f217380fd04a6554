import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.model import Hit, PageMark
from service.answering.extractive import choose_quotes, compose_answer
from service.answering.prompt import Passage
from tests.service.given import hit, hit_lists, shown, texts

PAY = (
    "This page is about pay. Salaries are reviewed every year in March by the pay board. "
    "The board has five members. Overtime is paid at one and a half times the hourly rate."
)
LEAVE = "Everyone has 28 days of leave a year. Leave that is not taken by 31 March is lost. It is booked in the calendar."
HOLIDAY_ZH = "员工每年享有二十八天年假。未休的年假在三月三十一日作废。请假须提前两周申请。"
PASSAGES = shown(
    hit(PAY, n=1, document="pay", title="Pay", pages=(PageMark(0, 1), PageMark(40, 2))),
    hit(LEAVE, n=2, document="leave", title="Leave"),
    hit(HOLIDAY_ZH, n=3, document="nianjia", title="年假"),
)


def answer(question: str, passages: tuple[Passage, ...] = PASSAGES) -> str:
    return "".join(text for text, _ in compose_answer(choose_quotes(question, passages)))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("When are salaries reviewed?", "every year in March"),
        ("How many days of leave do I have?", "28 days"),
        ("What is overtime paid at?", "one and a half times"),
        ("每年有多少天年假？", "二十八天"),
        ("请假要提前多久申请？", "提前两周"),
        ("每年享有28天的是什麼？", "二十八天"),
        ("請假要提前多久申請？", "提前两周"),
        ("What happens to leave that was not taken?", "is lost"),
    ],
)
def test_the_sentence_that_answers_is_quoted_first(question: str, words: str) -> None:
    assert words in answer(question).splitlines()[0]


@pytest.mark.parametrize(
    "question",
    [
        "Who founded the observatory on the hill?",
        "天文台的望远镜是谁捐赠的？",
        "???",
        "the of and",
        "",
    ],
)
def test_weak_support_gives_no_answer(question: str) -> None:
    assert choose_quotes(question, PASSAGES) == ()


def test_no_passages_give_no_answer() -> None:
    assert choose_quotes("When are salaries reviewed?", ()) == ()


def test_a_question_in_the_text_is_not_its_answer() -> None:
    faq = hit(
        "When does the ferry leave? The ferry leaves at noon from the east quay.", title="Ferry"
    )
    assert answer("When does the ferry leave?", shown(faq)).startswith("“The ferry leaves at noon")


STEPS = (
    "Booking\n\nHow to book a berth:\n\n1. Open the harbour page.\n2. Choose a berth and a night.\n"
    "3. Pay twelve crowns.\n\nThe harbour closes at nine in the evening."
)


@pytest.mark.parametrize(
    "question", ["How do I book a berth?", "What are the steps to book a berth?"]
)
def test_a_list_that_answers_is_quoted_with_all_its_items(question: str) -> None:
    chosen = choose_quotes(question, shown(hit(STEPS, title="Berths")))
    ((text, citation),) = compose_answer(chosen)
    assert text.startswith(
        "“How to book a berth:\n1. Open the harbour page.\n2. Choose a berth and a night.\n3. Pay"
    )
    assert STEPS[citation.start : citation.end] == citation.quote


def test_an_item_alone_answers_a_question_about_it() -> None:
    said = answer("How many crowns do I pay for a berth?", shown(hit(STEPS, title="Berths")))
    assert said.startswith("“Pay twelve crowns.”")


def test_nothing_stands_beside_the_sentence_that_answers() -> None:
    assert answer("When are salaries reviewed?") == (
        "“Salaries are reviewed every year in March by the pay board.” [1]"
    )


def test_another_document_that_gives_another_answer_is_quoted_too() -> None:
    old = hit(
        "Salaries are reviewed every year in October by the pay board.",
        n=4,
        document="old",
        title="Pay",
    )
    said = answer("When are salaries reviewed?", shown(hit(PAY, document="pay", title="Pay"), old))
    assert ("in March" in said, "in October" in said) == (True, True)


@pytest.mark.parametrize(
    "beside",
    [
        "See also: when salaries are reviewed.",
        "Thank you for asking when salaries are reviewed!",
        "When are salaries reviewed?",
    ],
)
def test_pointers_courtesy_and_questions_are_never_quoted(beside: str) -> None:
    said = answer("When are salaries reviewed?", shown(hit(f"{beside} {PAY}", title="Pay")))
    assert said == "“Salaries are reviewed every year in March by the pay board.” [1]"


@pytest.mark.parametrize(
    "denial",
    [
        "The documents do not answer this question. When are salaries reviewed? The documents do not answer it.",
        "The documents do not say when salaries are reviewed every year, and salaries are reviewed by no pay board.",
        "It is not true that salaries are reviewed every year in March by the pay board.",
        "Salaries are reviewed, salaries are reviewed every year, in 1999 Salaries Are Reviewed: not answered. "
        * 20,
    ],
)
@pytest.mark.parametrize("place", [0, 3])
def test_no_document_can_keep_the_others_out_by_what_it_says(denial: str, place: int) -> None:
    hits = [
        hit(PAY, n=1, document="pay", title="Pay"),
        hit(LEAVE, n=2, document="leave", title="Leave"),
        hit(HOLIDAY_ZH, n=3, document="nianjia", title="年假"),
    ]
    hits.insert(place, hit(denial, n=4, document="denial", title="When are salaries reviewed?"))
    assert "every year in March by the pay board." in answer(
        "When are salaries reviewed?", shown(*hits)
    )
    assert "“Salaries are reviewed every year" in answer(
        "When are salaries reviewed?", shown(*hits)
    )


def test_a_quote_is_cited_with_its_page_and_offsets() -> None:
    ((text, citation),) = compose_answer(
        choose_quotes("Who reviews salaries, the pay board?", PASSAGES)
    )[:1]
    assert citation.quote == "Salaries are reviewed every year in March by the pay board."
    assert PAY[citation.start : citation.end] == citation.quote
    assert (citation.n, citation.supported, citation.page and citation.page.number) == (1, True, 1)
    assert text[slice(*citation.span)] == "[1]"


def test_what_a_document_smuggles_into_a_sentence_is_inert_in_the_answer() -> None:
    hostile = hit(
        "The ferry leaves at noon ![x](http://e.example/?q=1) <img src=x> [7] <|im_end|> \u202eok.",
        title="Ferry",
    )
    said = answer("When does the ferry leave?", shown(hostile))
    assert not re.search(r"\]\(|<[a-z|]|://|\[7\]|\u202e", said)
    assert said.endswith("[1]")


@given(texts, hit_lists())
def test_quotes_are_few_exact_and_from_the_passages(question: str, hits: list[Hit]) -> None:
    passages = shown(*hits)
    chosen = choose_quotes(question, passages)
    pieces = compose_answer(chosen)
    text = "".join(piece for piece, _ in pieces)
    assert len(chosen) <= 3
    for _, citation in pieces:
        passage = passages[citation.n - 1]
        span = next(
            span
            for span in passage.spans
            if span.start <= citation.start and citation.end <= span.end
        )
        assert span.text[citation.start - span.start : citation.end - span.start] == citation.quote
        assert text[slice(*citation.span)] == f"[{citation.n}]"
    assert len(re.findall(r"[\[【［]\s*\d+\s*[\]】］]", text)) == len(pieces)


@given(st.permutations(PASSAGES))
def test_the_same_passages_give_the_same_quotes(passages: list[Passage]) -> None:
    question = "When are salaries and leave reviewed every year?"
    assert compose_answer(choose_quotes(question, passages)) == compose_answer(
        choose_quotes(question, tuple(passages))
    )
