"""What holds for every document that is cut into chunks, and how real ones are cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.testing import HashingEmbedder
from ingest.chunking import chunk
from ingest.elements import Element, Parsed
from tests.growth import assert_grows_in_proportion


def document(*elements: Element) -> Parsed:
    return Parsed(
        title=None, elements=elements, media_type="text/plain", language=None, page_kind=None
    )


def heading(text: str, level: int = 1, page: int | None = None) -> Element:
    return Element(kind="heading", text=text, level=level, page=page)


def text(body: str, page: int | None = None, page_name: str | None = None) -> Element:
    return Element(kind="text", text=body, page=page, page_name=page_name)


def table(*rows: str) -> Element:
    return Element(kind="table", text="\n".join(rows))


def cut(
    *elements: Element,
    title: str = "Handbook",
    tokens: int = 64,
    embedder: HashingEmbedder | None = None,
):
    return chunk(document(*elements), title, embedder or HashingEmbedder(), tokens)


words = st.text(alphabet="ab é你好。！，；、.?! \n\t\u3000|-…\U0001f600", max_size=400) | st.text(
    max_size=80
)
elements = st.builds(
    Element,
    kind=st.sampled_from(["heading", "text", "table", "list", "code"]),
    text=words,
    level=st.integers(0, 7),
    page=st.none() | st.integers(1, 4),
)


@settings(max_examples=150, deadline=None)
@given(
    found=st.lists(elements, max_size=12),
    title=words,
    tokens=st.integers(32, 200),
    limit=st.integers(24, 300),
)
def test_chunks_are_the_text_in_order_each_within_the_embedders_limit(found, title, tokens, limit):
    embedder = HashingEmbedder(max_tokens=limit)
    whole, chunks = chunk(document(*found), title, embedder, tokens)
    assert "".join("".join(e.text for e in found).split()) == "".join(whole.split())
    assert "".join("".join(c.text for c in chunks).split()) == "".join(whole.split())
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))
    assert all(c.text == whole[c.start : c.end] and c.text.strip() == c.text != "" for c in chunks)
    assert all(one.end <= other.start for one, other in pairwise(chunks))
    assert all(
        count <= min(tokens, limit) for count in embedder.count([c.embedded for c in chunks])
    )
    assert all(c.text in c.embedded for c in chunks)
    assert chunk(document(*found), title, embedder, tokens) == (whole, chunks)


@settings(max_examples=100, deadline=None)
@given(found=st.lists(elements, min_size=1, max_size=12))
def test_a_chunk_names_the_page_it_starts_on_and_each_page_that_begins_in_it(found):
    _, chunks = chunk(document(*found), "T", HashingEmbedder(), 40)
    paged = any(e.page is not None and e.text.strip() for e in found)
    for one in chunks:
        assert bool(one.pages) == paged
        assert all(mark.start <= one.start for mark in one.pages[:1])
        assert all(one.start < mark.start < one.end for mark in one.pages[1:])


def test_pages_and_their_names_follow_the_text():
    _, chunks = cut(
        text("word " * 50, 1, "Plan"), text("word " * 50, 2, "Cost"), text("more", 2, "Cost")
    )
    assert [[(m.number, m.name) for m in c.pages] for c in chunks] == [[(1, "Plan")], [(2, "Cost")]]


def test_what_is_embedded_begins_with_title_and_section_but_what_is_quoted_does_not():
    _, chunks = cut(heading("Pay"), heading("Bonus", 2), text("word " * 150))
    assert chunks[0].text.startswith("Pay\n\nBonus\n\nword")
    assert chunks[1].section == ("Pay", "Bonus")
    assert chunks[1].embedded.startswith("Handbook > Pay > Bonus\nword")
    assert chunks[1].text.startswith("word")


def test_short_sections_under_one_heading_share_a_chunk():
    _, chunks = cut(
        heading("Menu"), heading("Soup", 2), text("Leek."), heading("Main", 2), text("Pie.")
    )
    assert [c.section for c in chunks] == [("Menu",)]


def test_a_chunk_of_several_sections_tells_where_each_begins():
    whole, (one,) = cut(
        heading("Menu"), heading("Soup", 2), text("Leek."), heading("Main", 2), text("Pie.")
    )
    assert [(whole[m.start :].split("\n")[0], m.section) for m in one.headings] == [
        ("Menu", ("Menu", "Soup")),
        ("Main", ("Menu", "Main")),
    ]


def test_a_chunk_of_one_section_tells_no_headings():
    _, chunks = cut(heading("Menu"), text("Leek. " * 60))
    assert [one.headings for one in chunks] == [()] * len(chunks)


def test_sections_of_different_chapters_stay_apart():
    body = "word " * 30
    _, chunks = cut(
        heading("A"), heading("A1", 2), text(body), heading("B"), heading("B1", 2), text(body)
    )
    assert [c.section for c in chunks] == [("A", "A1"), ("B", "B1")]


def test_a_heading_stays_with_what_it_introduces():
    _, chunks = cut(
        text("word " * 60), heading("Next"), table("a | b", *(f"{n} | x" for n in range(60)))
    )
    assert not [c for c in chunks if c.text == "Next"]


def test_a_long_table_repeats_its_header_row_for_the_embedder_only():
    rows = [f"Person {n} | {n} days" for n in range(60)]
    whole, chunks = cut(heading("Leave"), table("Name | Days", *rows), tokens=64)
    assert len(chunks) > 3
    assert all("Name | Days" in c.embedded for c in chunks)
    assert whole.count("Name | Days") == 1
    assert all(c.text.split("\n")[-1] in rows for c in chunks)


def test_chinese_is_cut_between_sentences():
    sentence = "本公司员工每年享有十五天带薪年假，未休完的假期可以顺延至次年三月。"
    _, chunks = cut(text(sentence * 12), title="手册")
    assert len(chunks) > 3
    assert all(c.text.endswith("。") for c in chunks)


def test_english_is_cut_between_sentences():
    _, chunks = cut(text("The canteen opens at noon. It closes at two! Who may eat there? " * 12))
    assert all(c.text[-1] in ".!?" for c in chunks)


def test_chunks_of_one_section_are_of_similar_size():
    _, chunks = cut(text("The canteen opens at noon. " * 23), tokens=64, title="")
    sizes = HashingEmbedder().count([c.text for c in chunks])
    assert min(sizes) * 2 > max(sizes)


def test_an_endless_title_and_endless_headings_leave_room_for_text():
    _, chunks = cut(
        heading("long heading " * 40),
        heading("another one " * 40, 2),
        text("word " * 200),
        title="t " * 500,
    )
    assert all(c.text for c in chunks)
    assert max(HashingEmbedder().count([c.text for c in chunks[3:]])) > 30


@pytest.mark.parametrize(
    "body",
    [
        "word " * 400_000,
        "长" * 1_000_000,
        "x" * 1_500_000,
        "." * 1_000_000,
        "a. " * 400_000,
        "\n".join(["| a | b"] * 150_000),
    ],
    ids=["words", "no punctuation", "one word", "dots", "short sentences", "rows"],
)
@pytest.mark.slow
def test_time_grows_with_the_text_and_not_faster(body):
    assert_grows_in_proportion(lambda size: cut(text(body[:size]), tokens=256), len(body) // 8)
