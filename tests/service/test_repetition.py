import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answering.repetition import RepetitionWatch


def taken(*pieces: str) -> tuple[str, bool]:
    watch = RepetitionWatch()
    text = "".join(watch.take(piece) for piece in pieces)
    return text, watch.is_loop


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1. 1. 1. 1. 1. 1. 1. 1.", "1. 1. 1. 1. "),
        ("The lid is red. The lid is red. The lid is red. The lid is red.", "The lid is red. " * 3),
        ("港口六点开放。港口六点开放。港口六点开放。港口六点开放。", "港口六点开放。" * 3),
        ("哈" * 40, "哈" * 12),
        ("It opens at six. And so on, and so on, and so on, and so on, and so on", None),
        (
            "A is 1. B is 2 here now. A is 1. B is 2 here now. A is 1. B is 2 here now. A is 1.",
            None,
        ),
    ],
)
def test_a_loop_is_cut_soon_after_it_shows(text: str, kept: str | None) -> None:
    found, is_loop = taken(text)
    assert is_loop
    assert text.startswith(found)
    assert len(found) < len(text)
    assert kept is None or found.rstrip() == kept.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "The population is 1000000000000000.",
        "| a | b | c | d | e |\n| --- | --- | --- | --- | --- |\n| 0 | 0 | 0 | 0 | 0 |",
        "----------------------------------------",
        "The fee for dogs is 1. The fee for cats is 2. The fee for cows is 3. The fee for goats is 4.",
        "狗的费用是一元。猫的费用是二元。牛的费用是三元。",
        "No. No. Yes. No.",
        "1. Open the lid.\n2. Close the lid.\n3. Open the lid again.",
    ],
)
def test_what_only_looks_alike_is_no_loop(text: str) -> None:
    assert taken(text) == (text, False)


@given(
    st.lists(
        st.sampled_from(("1. ", "The lid is red. ", "盖子是红色的。", "a", "\n")), max_size=30
    ),
    st.data(),
)
def test_where_the_output_was_divided_does_not_matter(
    pieces: list[str], data: st.DataObject
) -> None:
    text = "".join(pieces)
    at = data.draw(st.integers(0, len(text)))
    assert taken(text[:at], text[at:]) == taken(text) == taken(*text)
