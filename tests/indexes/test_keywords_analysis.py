"""What counts as a word, and which ways of writing one meet."""

import time

import numpy as np
import pytest

from indexes.derived.keywords.analysis import Analyser
from indexes.derived.keywords.index import KeywordIndex

TERMS = Analyser().terms
PASSAGES = [
    "The policy follows ISO-27001 and is reviewed every year.",
    "The policy follows ISO-27002, ISO-9001 and rule 27001 of the house.",
    "Error E1027 means that the lid is open.",
    "Error E1028 means that the lid is shut. See page 1027.",
    "Part AB-12/4 fits the pump.",
    "Part AB-12/5 fits the pump, and so does AB-4/12.",
    "Since v2.3.1 the export is faster.",
    "Since v2.3.2 the export is slower; see 2.3 and 3.1.",
    "Call foo_bar before anything else.",
    "Call foo and then bar before anything else.",
    "Write to ada@example.com about it.",
    "Write to bob@example.com about ada.",
    "食堂菜单每周一更新。",
    "工资在每月二十五日发放。",
    "年度报告包括工作和资金。",
    "ประกาศเงินเดือนประจำปี",
    "급여는 매월 지급됩니다.",
    "給与は毎月支払われます。",
    "Ｆｕｌｌｗｉｄｔｈ text, naïve café, Straße",
    "The fine is 3,000 dollars.",
]


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("ISO-27001", 0),
        ("iso27001", 0),
        ("what does ISO‑27001 require", 0),
        ("E1027", 2),
        ("e1028?", 3),
        ("AB-12/4", 4),
        ("ab12/4", 4),
        ("AB-12/5", 5),
        ("v2.3.1", 6),
        ("V2.3.2.", 7),
        ("foo_bar", 8),
        ("ada@example.com", 10),
        ("BOB@EXAMPLE.COM", 11),
        ("菜单", 12),
        ("工资什么时候发", 13),
        ("เงินเดือน", 15),
        ("급여", 16),
        ("給与", 17),
        ("fullwidth", 18),
        ("CAFÉ", 18),
        ("STRASSE", 18),
        ("fines of 3000", 19),
    ],
)
def test_exact_codes_names_and_rare_words_come_first(question: str, best: int) -> None:
    index = KeywordIndex()
    index.add(range(len(PASSAGES)), 0, PASSAGES)
    assert index.search(question, np.array([0]), 3)[0][0] == best


def test_a_code_written_apart_is_found_by_its_parts() -> None:
    index = KeywordIndex()
    index.add(range(len(PASSAGES)), 0, PASSAGES)
    assert set(index.search("ISO 27001", np.array([0]), 2)[0].tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("running salaries", "runs salary"),
        ("user's", "user’s"),
        ("information", "infor\u00admation"),
        ("ﬁne print", "fine print"),
        ("cafe\u0301", "café"),
        ("ISO-27001", "iso27001"),
        ("ISO–27001", "ISO-27001"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("हिन्दी", "हिन्दी\u200d"),
    ],
)
def test_two_ways_of_writing_the_same(one: str, other: str) -> None:
    assert list(TERMS(one)) == list(TERMS(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.5", "15"),
        ("AB-12/4", "AB-1/24"),
        ("E1027", "E1028"),
        ("工资", "资工"),
        ("v2.3.1", "v2.31"),
    ],
)
def test_different_codes_stay_different(one: str, other: str) -> None:
    assert list(TERMS(one)) != list(TERMS(other))


def test_unspaced_scripts_become_pairs_and_a_lone_character_stays() -> None:
    assert [len(TERMS(text)) for text in ("工", "工资", "工资单", "A工B", "ไทย", "한국어")] == [
        1,
        1,
        2,
        3,
        2,
        2,
    ]


@pytest.mark.parametrize(
    "text",
    ["a" * 10_000_000, "-a" * 200_000, "1." * 200_000, "工" * 200_000, "e" + "\u0301" * 200_000, "'" * 1_000_000,
     "\x00\ud800\udfff\uffff" * 50_000, "😀👍🏽" * 50_000, "\u202eשלום\u202c العربية" * 20_000],
    ids=["word", "joined", "numbers", "han", "marks", "quotes", "broken", "emoji", "right-to-left"],
)  # fmt: skip
def test_hostile_text_takes_neither_long_nor_an_error(text: str) -> None:
    began = time.process_time()
    index = KeywordIndex()
    index.add([1], 0, [text + " needle"])
    assert index.search("needle", np.array([0]), 1)[0].tolist() == [1]
    assert time.process_time() - began < 5


def test_questions_leave_no_trace_of_their_words() -> None:
    analyser = Analyser(remembers=False)
    assert list(analyser.terms("Who knows ISO-27001? 工资")) == list(
        TERMS("Who knows ISO-27001? 工资")
    )
    assert not analyser._tokens
    assert not analyser._words


def test_a_word_counts_up_to_its_first_characters() -> None:
    assert list(TERMS("q" * 65)) == list(TERMS("q" * 10_000))
    assert list(TERMS("q" * 63)) != list(TERMS("q" * 64))
