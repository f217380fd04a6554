"""Chinese as it is written: Traditional and Simplified, numbers in numerals and in digits."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.derived.keywords import block_files
from indexes.derived.keywords.analysis import ANALYSIS_VERSION, Analyser
from indexes.derived.keywords.index import KeywordIndex
from indexes.errors import IndexDamaged
from indexes.text.folding import VARIANTS_FILE, fold_han, fold_text, letters_and_digits
from indexes.text.near_copies import adds_nothing, wording_of
from indexes.text.numerals import find_numerals
from indexes.text.scripts import HAN, UNIFIED_HAN, writing
from indexes.text.words import numbers_agree, terms
from tools.han_variants import make_table

HAN_CHARACTER = re.compile(f"[{HAN}]")
SAME = [
    ("员工每年有几天年假？", "員工每年有幾天年假？"),
    ("谁在什么时候发现了这个里程碑？", "誰在什麼時候發現了這個里程碑？"),
    ("头发、发展、后来、皇后", "頭髮、發展、後來、皇后"),
    ("干燥的干部在干杯", "乾燥的幹部在乾杯"),
    ("看着群众了解台湾", "看著群眾瞭解臺灣"),
    ("看着群众了解台湾", "看着羣衆瞭解台灣"),  # as in Hong Kong
]
TEXTS = st.text() | st.text(
    st.sampled_from(
        "港口開放时间時間後后干乾髮一二三十百千万萬億〇零點点年民國国109,. aİß第個天両○\U00020000"
    )
)


def forms(text: str, *, question: bool = False) -> list[str]:
    return [term.form for term in terms(text, question=question)]


def find(question: str, *passages: str) -> list[int]:
    """The passages that keyword search finds, best first."""
    index = KeywordIndex()
    index.add(range(len(passages)), 0, passages)
    rows, _ = index.search(question, np.array([0]), len(passages))
    return [int(row) for row in rows]


# --- Traditional and Simplified -----------------------------------------------------------------


@pytest.mark.parametrize(("simplified", "traditional"), SAME)
def test_both_ways_of_writing_are_one_to_everything_that_compares(
    simplified: str, traditional: str
) -> None:
    assert [*terms(traditional)] == [*terms(simplified)]
    assert [*terms(traditional, question=True)] == [*terms(simplified, question=True)]
    assert Analyser().terms(traditional) == Analyser().terms(simplified)
    assert letters_and_digits(traditional) == letters_and_digits(simplified)
    assert wording_of(traditional) == wording_of(simplified)


def test_question_words_are_left_out_however_they_are_written() -> None:
    assert forms("員工每年有幾天年假嗎", question=True) == ["员工", "工每", "每年", "天年", "年假"]


def test_simplified_text_stays_as_it_is_but_for_rare_characters() -> None:
    frequent = bytes(
        code for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for code in (row, cell)
    ).decode("gb2312", "ignore")
    changed = {one for one in frequent if fold_han(one) != one}
    assert changed == set("乾著藉覆")


@given(TEXTS)
def test_folding_keeps_every_place_and_whatever_is_not_han(text: str) -> None:
    folded = fold_han(text)
    assert len(folded) == len(text)
    assert all(
        one == other or (HAN_CHARACTER.match(one) and HAN_CHARACTER.match(other))
        for one, other in zip(text, folded, strict=True)
    )
    assert fold_han(folded) == folded
    assert fold_text(fold_text(text)) == fold_text(text)


@given(TEXTS, st.booleans())
def test_a_term_stands_where_it_says(text: str, question: bool) -> None:
    found = [*terms(text, question=question)]
    assert [term.start for term in found] == sorted(term.start for term in found)
    for term in found:
        there = text[term.start : term.end]
        assert there
        if re.fullmatch(f"[{UNIFIED_HAN}]+", term.form):
            assert fold_han(there) == term.form


@given(TEXTS)
def test_what_is_folded_is_analysed_like_what_is_not(text: str) -> None:
    assert forms(fold_han(text)) == forms(text)
    assert Analyser().terms(fold_han(text)) == Analyser().terms(text)


def test_the_table_is_what_the_library_says() -> None:
    assert VARIANTS_FILE.read_text(encoding="utf-8") == make_table()


def test_an_index_is_built_anew_if_its_table_changes() -> None:
    """If this fails: raise the version, so that stored indexes are not searched with other terms."""
    table = hashlib.sha256(VARIANTS_FILE.read_bytes()).hexdigest()
    assert (ANALYSIS_VERSION, table[:16]) == (3, "01e4f853b8ebab33")


def test_an_index_of_another_analysis_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = KeywordIndex()
    index.add([1], 0, ["港口"])
    index.save(tmp_path)
    monkeypatch.setattr(block_files, "ANALYSIS_VERSION", ANALYSIS_VERSION - 1)
    with pytest.raises(IndexDamaged, match="another version"):
        KeywordIndex.load(tmp_path)


def test_a_question_finds_a_passage_in_the_other_way_of_writing() -> None:
    passages = ("食堂每周一更新菜单。", "圖書館的閱覽室在二樓。", "港口的开放时间是早上六点。")
    assert find("图书馆的阅览室在几楼？", *passages)[0] == 1
    assert find("港口什麼時候開放？", *passages)[0] == 2


def test_a_copy_in_the_other_way_of_writing_adds_nothing() -> None:
    one, other = "图书馆周一闭馆，阅览室在二楼。", "圖書館週一閉館，閱覽室在二樓。"
    assert adds_nothing(wording_of(other), wording_of(one))


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("港口什么时候开放？", "zh"),
        ("港口什麼時候開放？", "zh-hant"),
        ("港口在哪", "zh"),  # the same in both
        ("台灣的首都在哪？", "zh-hant"),
        ("香港嘅海關喺邊度？", "zh-hant"),
        ("《史記》是谁写的，什么时候？", "zh"),
        ("When does 開放 begin?", "en"),
        ("港はいつ開きますか", "en"),
    ],
)
def test_the_way_of_writing_is_told_by_what_only_one_of_them_has(text: str, way: str) -> None:
    assert writing(text) == way


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("一百二十人", ["120"]),
        ("兩萬三千零五", ["23005"]),
        ("三千五百萬", ["35000000"]),
        ("一亿零三百", ["100000300"]),
        ("一万亿", ["1000000000000"]),
        ("三万五", ["35000"]),
        ("十五", ["15"]),
        ("廿一", ["21"]),
        ("壹佰貳拾元", ["120"]),
        ("二〇一九年", ["2019"]),
        ("二○一九年", ["2019"]),
        ("一九四九年", ["1949"]),
        ("民國109年", ["2020"]),
        ("民國一百零九年", ["2020"]),
        ("民國元年", ["1912"]),
        ("120萬元", ["1200000"]),
        ("3.5亿", ["350000000"]),
        ("1,200万", ["12000000"]),
        ("三点五", ["3.5"]),
        ("三点五十分", ["3", "50"]),
        ("百分之五", ["5"]),
        ("五天", ["5"]),
        ("兩個月", ["2"]),
        ("十分钟", ["10"]),
        ("一月一日", ["1", "1"]),
        ("第三屆", ["3"]),
    ],
)
def test_a_numeral_is_a_number(text: str, values: list[str]) -> None:
    assert [numeral.value for numeral in find_numerals(fold_han(text))] == values


@pytest.mark.parametrize(
    "text",
    ["一般", "万一", "千万别", "三明治", "五金", "九江", "十分", "百万富翁", "一个", "一种", "第一", "一些", "三三两两",
     "三七二十一", "十七八个", "大陆", "伍先生", "民国80年代", "百年", "千里", "两岸", "万亿", "零", "○○○", "四季",
     "国际", "120人"],
)  # fmt: skip
def test_a_word_that_holds_a_numeral_is_none(text: str) -> None:
    assert [*find_numerals(fold_han(text))] == []


@given(st.text(st.sampled_from("一二两十百千万亿零〇点年民国元109,. 廿第个")))
def test_whatever_is_written_a_number_has_digits_and_a_place(text: str) -> None:
    for numeral in find_numerals(text):
        assert re.fullmatch(r"\d+(\.\d*[1-9])?", numeral.value)
        assert text[numeral.start : numeral.end].strip()


@pytest.mark.parametrize("sign", ["1", "1,", "1.", "〇", "一", "一万", "民国1", "九点"])
def test_hostile_numbers_are_read_to_their_end(sign: str) -> None:
    assert len(Analyser().terms(sign * 100_000)) > 0
    assert not numbers_agree(f"{sign * 10_000} 7", frozenset())


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("哪次会议有120人参加？", "有一百二十人参加的会议", "有一百三十人参加的会议"),
        ("哪次会议有一百二十人参加？", "有120人参加的会议", "有130人参加的会议"),
        ("2020年的预算", "民國109年的預算", "民國108年的預算"),
        ("民國109年的預算", "2020年的预算", "2019年的预算"),
        ("120万元的合同", "一百二十万元的合同", "一百二十五万元的合同"),
        ("2019年的报告", "二〇一九年的报告", "二〇一八年的报告"),
    ],
)
def test_a_number_is_found_however_it_is_written(question: str, right: str, wrong: str) -> None:
    assert find(question, wrong, right)[0] == 1
    asked = {*forms(question, question=True)}
    assert len(asked & {*forms(right)}) > len(asked & {*forms(wrong)})


@pytest.mark.parametrize(
    ("claim", "text", "agree"),
    [
        ("2020年有120人", "民國109年有一百二十人", True),
        ("民國109年有一百二十人", "2020年有120人", True),
        ("民國109年", "109年度", True),
        ("一百二十一人", "一百二十人", False),
        ("121人", "一百二十人", False),
        ("5天", "五天年假", True),
        ("6天", "五天年假", False),
        ("120万元", "单位：万元 120", True),
        ("120萬元", "1200000元", True),
        ("三个部门", "销售、财务和人事", True),
    ],
)
def test_numbers_agree_if_one_form_of_each_is_there(claim: str, text: str, agree: bool) -> None:
    assert numbers_agree(claim, frozenset(forms(text))) is agree


def test_a_number_in_a_question_stands_in_place_of_its_numeral() -> None:
    assert forms("一百二十人", question=True) == ["120", "十人"]
    assert forms("一百二十人") == ["一百", "120", "百二", "二十", "十人"]
