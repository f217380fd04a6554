"""What is known about languages, in its one place."""

import re
import unicodedata

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from indexes.derived.keywords.analysis import Analyser
from indexes.text import scripts
from indexes.text.folding import letters_and_digits
from indexes.text.language import detect_language
from indexes.text.scripts import script
from indexes.text.sentences import ends_sentence, sentences
from indexes.text.words import terms

UNICODE_NAMES = {
    "HAN": ("Han",),
    "KANA": ("Hiragana", "Katakana"),
    "HANGUL": ("Hangul",),
    "BOPOMOFO": ("Bopomofo",),
    "YI": ("Yi",),
    "THAI": ("Thai",),
    "LAO": ("Lao",),
    "KHMER": ("Khmer",),
    "MYANMAR": ("Myanmar",),
    "TIBETAN": ("Tibetan",),
}
READING_MARKS = frozenset("\U00016ff0\U00016ff1")  # of Vietnamese, beside an ideograph
ASSIGNED = [
    mark for mark in map(chr, range(0x110000)) if unicodedata.category(mark) not in ("Cn", "Cs")
]


@pytest.mark.parametrize("table", UNICODE_NAMES)
def test_a_table_holds_the_letters_of_its_script_and_nothing_of_another(table: str) -> None:
    names = UNICODE_NAMES[table]
    owned = regex.compile("[" + "".join(rf"\p{{Script={name}}}" for name in names) + "]")
    used = regex.compile("[" + "".join(rf"\p{{scx={name}}}" for name in names) + "]")
    tabled = re.compile(f"[{getattr(scripts, table)}]")
    held = {mark for mark in ASSIGNED if tabled.match(mark)}
    letters = {
        mark for mark in ASSIGNED if unicodedata.category(mark)[0] in "LM" and owned.match(mark)
    }
    assert letters - held <= READING_MARKS
    assert all(used.match(mark) for mark in held)
    assert not any(unicodedata.category(mark) == "Nd" for mark in held)
    assert not any(unicodedata.category(mark).startswith("P") for mark in held)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("港口什么时候开放？", "zh"),
        ("阿爾弗雷德・諾貝爾生於斯德哥爾摩", "zh"),  # the middle dot is no Japanese letter
        ("港はいつ開きますか", "en"),
        ("When does 港 open?", "en"),
    ],
)
def test_a_text_is_answered_in_chinese_if_it_is_chinese(text: str, language: str) -> None:
    assert script(text) == language


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("Who's running the universities' libraries?", ["run", "universiti", "librari"]),
        ("It's 1,000 or 007", ["1000", "7"]),
        ("二〇一九年", ["二〇", "2019", "〇一", "一九", "九年"]),
        ("人々", ["人々"]),
        ("１２０人", ["120", "人"]),
        ("회사는", ["회사", "사는"]),
        ("ปี ๒๕๖๗", ["ปี", "๒๕๖๗"]),
    ],
)
def test_content_words_are_stems_numbers_and_pairs(text: str, forms: list[str]) -> None:
    assert [term.form for term in terms(text)] == forms


def test_korean_words_meet_although_their_endings_differ() -> None:
    claim, passage = ({term.form for term in terms(text)} for text in ("급여는", "급여가"))
    assert claim & passage == {"급여"}


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("He left. She stayed.", ["He left.", "She stayed."]),
        ("Dr. Smith pays 3.5 dollars.", ["Dr. Smith pays 3.5 dollars."]),
        ("他走了。她没有走！", ["他走了。", "她没有走！"]),
        ("终わり｡次", ["终わり｡", "次"]),
        ("وہ چلا گیا۔ وہ رہا۔", ["وہ چلا گیا۔", "وہ رہا۔"]),
        ("वह गया। वह रहा॥", ["वह गया।", "वह रहा॥"]),
        ("သူသွားသည်။သူနေသည်။", ["သူသွားသည်။", "သူနေသည်။"]),
    ],
)
def test_sentences_end_as_their_script_ends_them(text: str, ends: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == ends
    assert all(map(ends_sentence, ends)) == (ends[-1] != "次")


WRAPPED = (
    "Take the gauge out of the alarm chain. The update lasts 8 minutes, and the float must be dry. TG-3 gauges must\n"
    "not be updated. Every update of a gauge is approved by two people of the department, one of whom is on the\n"
    "Board of the harbour, and both of them sign.\n"
)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (
            WRAPPED,
            [
                "Take the gauge out of the alarm chain.",
                "The update lasts 8 minutes, and the float must be dry.",
                "TG-3 gauges must\nnot be updated.",
                "Every update of a gauge is approved by two people of the department, one of whom is on the\n"
                "Board of the harbour, and both of them sign.",
            ],
        ),
        # a list of places, a heading above its text, an item after a long line
        ("Berth office\n12 Quay Street\nLarvik", ["Berth office", "12 Quay Street", "Larvik"]),
        (
            "How the gauges of the northern harbour are updated\nTake it out.",
            ["How the gauges of the northern harbour are updated", "Take it out."],
        ),
        (
            "Everything that has to be carried to the boat before it leaves\n- oars\n- ropes",
            ["Everything that has to be carried to the boat before it leaves", "- oars", "- ropes"],
        ),
    ],
)
def test_a_line_that_the_page_broke_ends_no_sentence(text: str, ends: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == ends


@given(st.integers(0, len(WRAPPED)))
def test_what_is_appended_changes_the_last_sentence_only(length: int) -> None:
    before = [WRAPPED[:length][start:end] for start, end in sentences(WRAPPED[:length])]
    after = [WRAPPED[start:end] for start, end in sentences(WRAPPED)]
    assert before[:-1] == after[: len(before[:-1])]


def test_letters_and_digits_are_compared_without_case_and_signs() -> None:
    assert letters_and_digits("„Straße“ no_12, 港口！") == letters_and_digits("STRASSE No 12 港口")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("人々は港で働いています。", "ja"),
        ("𠀀𠀁港口早上六点开放。", "zh"),
        ("급여는 매월 이십오일에 지급됩니다. 자세한 내용은 문의하십시오.", "ko"),
        ("xyz", None),
    ],
)
def test_the_language_of_a_text_is_told_by_its_script(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_keyword_search_takes_digits_of_every_script_as_one_number() -> None:
    analyser = Analyser()
    assert set(analyser.terms("๒๕๖๗")) < set(analyser.terms("ปี๒๕๖๗"))
    assert len(analyser.terms("๒๕๖๗")) == 1
