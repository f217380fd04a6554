import re
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.model import PageMark
from service.answering.citations import Citation, CitationWriter, Page, Written, find_page
from service.answering.prompt import Passage
from tests.service.given import FRAGMENTS, hit, shown, texts

HARBOUR = "The harbour opens at six in summer. It closes at nine. Berths cost 12 crowns a night, dogs included."
LIBRARY = "阅览室在二楼。图书馆周一闭馆。借书证需要照片。"
PASSAGES = shown(
    hit(
        HARBOUR,
        n=1,
        document="harbour",
        start=100,
        pages=(PageMark(0, 1), PageMark(130, 2, "Fees")),
    ),
    hit(LIBRARY, n=2, document="library"),
)
OUTPUTS = st.lists(
    st.sampled_from(
        (*FRAGMENTS, *HARBOUR.split(". "), *LIBRARY.split("。"), ". ", "。", "[1]", "[2]", "[1][2]", "[1, 2]", "【2】",
         "［1］", "[9]", "[[1]", "[1", "]", "[[9]1]", "[ 2 ]", "[1-2]", "[2–9]", " ", "  ", "\n", "(", ":", "[999]",
         "[1][1][1]", "1. ", "- ", "x" * 130)
    )
    | texts,
    max_size=25,
).map("".join)  # fmt: skip


def written(
    output: str, passages: Sequence[Passage] = PASSAGES, question: str = ""
) -> CitationWriter:
    writer = CitationWriter(passages, question)
    writer.feed(output)
    writer.finish()
    return writer


def cited(output: str) -> list[int]:
    return [citation.n for citation in written(output).citations]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("It opens at six [1].", "It opens at six [1]."),
        ("It opens at six【1】.", "It opens at six[1]."),
        ("开放时间是六点［1］。", "开放时间是六点[1]。"),
        ("Both [1, 2] and [1][2] and [1-2].", "Both [1][2] and [1][2] and [1][2]."),
        ("Twice [1][1][1].", "Twice [1]."),
        ("Twice [1] [1].", "Twice [1]."),
        ("Unknown [999].", "Unknown."),
        ("Unknown [9] in between.", "Unknown in between."),
        ("Mixed [1, 7].", "Mixed [1]."),
        ("Nested [[9]1] and [[1]].", "Nested [1] and [[1]]."),
        ("Full-width ［１］.", "Full-width [1]."),
        ("No marker: [a] [] [,] [note 1] f[x].", "No marker: [a] [] [,] [note 1] f[x]."),
        ("A link [1](http://e.example).", "A link [1] (http:/ /e .example)."),
        ("\n  It opens. [1]\n", "It opens. [1]"),
        ("An open end [1", "An open end [1"),
    ],
)
def test_markers_are_read_checked_and_written_one_way(output: str, text: str) -> None:
    assert written(output).text == text


@given(OUTPUTS, st.randoms(use_true_random=False))
def test_text_and_citations_do_not_depend_on_how_the_output_was_divided(
    output: str, chance: Random
) -> None:
    whole = written(output, question="When does it open? 几楼")
    pieces = CitationWriter(PASSAGES, "When does it open? 几楼")
    seen: list[Written] = []
    rest = output
    while rest:
        size = chance.randint(1, 9)
        seen += pieces.feed(rest[:size])
        rest = rest[size:]
    seen += pieces.finish()
    assert "".join(item for item in seen if isinstance(item, str)) == whole.text
    assert [item for item in seen if isinstance(item, Citation)] == whole.citations


@given(OUTPUTS)
def test_every_marker_in_the_text_is_a_citation_of_a_supplied_passage_and_quotes_it_to_the_letter(
    output: str,
) -> None:
    answer = written(output)
    documents = {"harbour": " " * 100 + HARBOUR, "library": LIBRARY}
    found = [
        (int(match.group(1)), match.span())
        for match in re.finditer(r"[\[【［][ \t]*(\d+)[ \t]*[\]】］]", answer.text)
    ]
    assert found == [(citation.n, citation.span) for citation in answer.citations]
    for citation in answer.citations:
        assert citation.n in {1, 2}
        assert citation.quote
        assert documents[citation.document_id][citation.start : citation.end] == citation.quote


def test_a_citation_quotes_the_sentence_that_supports_the_claim_on_its_page() -> None:
    first, second = written(
        "It opens at six in the morning [1]. A berth is 12 crowns a night. [1]"
    ).citations
    assert (first.quote, first.page, first.supported) == (
        "The harbour opens at six in summer.", Page(1, None, "page"), True,
    )  # fmt: skip
    assert second.quote == "Berths cost 12 crowns a night, dogs included."
    assert second.page == Page(2, "Fees", "page")


def test_a_chinese_claim_finds_its_sentence() -> None:
    (citation,) = written("图书馆在周一不开放，即周一闭馆[2]。").citations
    assert (citation.quote, citation.supported) == ("图书馆周一闭馆。", True)


def test_a_claim_in_traditional_chinese_is_supported_by_a_simplified_passage() -> None:
    (citation,) = written("圖書館在周一不開放，即周一閉館[2]。").citations
    assert (citation.quote, citation.supported) == ("图书馆周一闭馆。", True)


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("年假有28天[1]。", True),
        ("年假有二十八天[1]。", True),
        ("年假有29天[1]。", False),
        ("年假有二十九天[1]。", False),
        ("民國109年起，員工的年假有28天[1]。", True),
    ],
)
def test_a_number_is_supported_however_it_is_written(claim: str, supported: bool) -> None:
    passages = shown(hit("2020年起，员工的年假有二十八天。"))
    assert [citation.supported for citation in written(claim, passages).citations] == [supported]


@pytest.mark.parametrize(
    "claim",
    ["A berth costs 15 crowns a night [1].", "The mayor was elected by farmers [1].", "Yes [1]."],
)
def test_a_claim_without_support_in_the_passage_is_marked(claim: str) -> None:
    assert [citation.supported for citation in written(claim).citations] == [False]


def test_a_marker_after_the_full_stop_belongs_to_the_sentence_before_it() -> None:
    answer = written("Berths cost 12 crowns. [1] The reading room is elsewhere. 阅览室在二楼。[2]")
    assert [citation.quote for citation in answer.citations] == [
        "Berths cost 12 crowns a night, dogs included.", "阅览室在二楼。",
    ]  # fmt: skip


def test_citations_come_while_the_answer_is_still_growing() -> None:
    writer = CitationWriter(PASSAGES, "")
    assert not any(isinstance(item, Citation) for item in writer.feed("It opens at six [1]."))
    assert [item.n for item in writer.feed(" Then") if isinstance(item, Citation)] == [1]


def test_numbers_of_absurd_length_are_text_or_nothing() -> None:
    assert cited(f"[{'9' * 5000}] [{'1,' * 40}1] [1-99999999]") == [1]


def test_a_passage_without_a_sentence_is_quoted_whole() -> None:
    (citation,) = written("x [1]", shown(hit("\n \n"))).citations
    assert (citation.quote, citation.supported) == ("\n \n", False)


def test_the_page_of_a_character_is_the_last_one_begun() -> None:
    marks = (PageMark(0, 1), PageMark(10, 2), PageMark(20, 3))
    assert [
        page and page.number for page in (find_page(marks, at, "page") for at in (0, 9, 10, 25))
    ] == [1, 1, 2, 3]
    assert find_page((), 3, "page") is None
