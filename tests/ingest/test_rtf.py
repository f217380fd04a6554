"""Rich text: every text in the code page of its font, and everything that its reader sees."""

import pytest

from ingest.elements import ParseOptions
from ingest.partition.context import ParseContext
from ingest.partition.rtf import parse_rtf
from tests.growth import assert_grows_in_proportion
from tests.ingest.completeness import share_of_words, text_of
from tests.ingest.parsing import kinds, losses, parsed


def coded(text: str, encoding: str) -> str:
    data = text.encode(encoding)
    return "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in "\\{}" else f"\\'{b:02x}" for b in data
    )


def read(tmp_path, body: str, head: str = r"\ansicpg1252", **options):
    return parsed(tmp_path / "a.rtf", rf"{{\rtf1\ansi{head} {body}}}", ParseOptions(**options))


PAGES = [
    ("温室夜间温度", "gb18030", 936, 134), ("圖書館週日", "big5", 950, 136), ("도서관은 월요일", "cp949", 949, 129),
    ("会議室の予定表", "cp932", 932, 128), ("Úschovna otevřena", "cp1250", 1250, 238), ("Склад открыт", "cp1251", 1251, 204),
    ("Η αποθήκη", "cp1253", 1253, 161), ("açılır şifre", "cp1254", 1254, 162), ("המחסן", "cp1255", 1255, 177),
    ("المستودع", "cp1256", 1256, 178), ("astoņos rīta", "cp1257", 1257, 186), ("คลังสินค้า", "cp874", 874, 222),
]  # fmt: skip


@pytest.mark.parametrize(("text", "encoding", "page", "charset"), PAGES)
def test_text_is_in_the_code_page_of_its_font_or_of_the_file(
    tmp_path, text, encoding, page, charset
):
    by_font = rf"{{\fonttbl{{\f0 Arial;}}{{\f1\fnil\fcharset{charset} X;}}}}caf\'e9 \f1 {coded(text, encoding)}\f0  end\'e9\par"
    assert text_of(read(tmp_path, by_font)).split() == ["café", *text.split(), "endé"]
    for fonts in (
        "",
        r"{\fonttbl{\f0 X;}}\f0 ",
        r"{\fonttbl{\f0\fcharset0 X;}}\f0 ",
        rf"{{\fonttbl{{\f0\cpg{page} X;}}}}\f0 ",
    ):
        document = read(tmp_path, fonts + coded(text, encoding) + r"\par", rf"\ansicpg{page}")
        assert text_of(document) == text
    raw = rf"{{\rtf1\ansi\ansicpg{page} ".encode() + text.encode(encoding) + rb"\par}"
    if not any(byte in b"\\{}" for byte in text.encode(encoding)):
        assert text_of(parsed(tmp_path / "b.rtf", raw)) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"\u21152?\u29677?", "加班"),
        (r"\uc2\u21152\'bc\'d3 x\uc0\u233 y", "加 xéy"),
        ("a\\u-10179?\\u-8704?", "a😀"),
        (r"{\upr{ansi}{\*\ud uni\u233?}}", "unié"),
        (r"BX\_4711 a\~b re\-do", "BX-4711 a b redo"),
        (r"\ldblquote q\rdblquote  \endash  \emdash", "“q” – —"),
        (r"a\\b \{c\}", "a\\b {c}"),
        (r"10{\super 6} H{\sub 2}O 2{\super nd}", "10^6 H2O 2nd"),
        (r"{\field{\*\fldinst HYPERLINK x}{\fldrslt shown}}", "shown"),
        (r"{\*\unknown gone}{\*\bkmkstart b}kept", "kept"),
        (r"a{\pict\bin4 {}}}}b", "ab"),
        (r"{\f9\'e9}", "é"),
        ("one\r\ntwo", "onetwo"),
    ],
)
def test_signs_and_escapes_are_what_the_reader_sees(tmp_path, body, text):
    assert text_of(read(tmp_path, body + r"\par")) == text


def test_headings_lists_notes_headers_and_boxes_are_elements(tmp_path):
    body = (
        r"{\stylesheet{\s0 Normal;}{\s3 heading 2;}}{\info{\title Rules}{\author Ada}}"
        r"{\header\pard No. 7\par}{\headerf No. 7\par}{\footer Fine print\par}"
        r"\pard\s3 Fees\par\pard Fee 9{\footnote Half for members.}{\*\annotation{\*\atnid A} Why?} a year.\par"
        r"{\listtext\'b7\tab}first\par{\pntext 2.\tab}second\par\pard"
        r"{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt boxed\par}}}after\par"
    )
    document = read(tmp_path, body)
    assert (document.title, document.metadata["author"]) == ("Rules", "Ada")
    assert kinds(document) == [
        ("text", "No. 7"), ("heading", "Fees"), ("text", "Fee 9 a year."), ("text", "Half for members."), ("text", "Why?"),
        ("list", "first"), ("list", "2.\tsecond"), ("text", "after"), ("text", "boxed"), ("text", "Fine print"),
    ]  # fmt: skip


def test_tables_keep_merged_cells(tmp_path):
    row = r"\trowd{}\pard\intbl {}\cell {}\cell\row"
    body = (
        r"\trowd\trhdr\cellx1000\cellx3000\pard\intbl Route\cell Sunday\cell\row"
        r"\trowd\trhdr\cellx1000\cellx2000\cellx3000\pard\intbl\cell Adult\cell Child\cell\row"
        r"\trowd\clvmgf\cellx1000\cellx2000\cellx3000\pard\intbl Island\cell 4\b 2\b0\cell 21\line free\cell\row"
        r"\trowd\clvmrg\cellx1010\cellx2000\cellx3000\pard\intbl\cell 43\cell 22\par\cell\row\pard after\par"
    )
    document = read(tmp_path, body)
    table = document.elements[0].table
    assert table is not None
    assert table.rows == (
        ("Route", "Sunday", "Sunday"), ("", "Adult", "Child"), ("Island", "42", "21 free"), ("Island", "43", "22"),
    )  # fmt: skip
    assert table.header_rows == 2
    assert kinds(document)[1:] == [("text", "after")]
    assert kinds(read(tmp_path, row.format(r"\cellx1\cellx2", "a", "b")))[0][0] == "table"


def test_hidden_and_deleted_text_is_left_out_and_counted_or_marked(tmp_path):
    body = r"shown {\v secret one}{\deleted gone} {\revised new} end\par"
    document = read(tmp_path, body)
    assert text_of(document).split() == ["shown", "new", "end"]
    assert [loss.count for loss in document.losses] == [2, 1]
    assert "[hidden text: secret one]" in text_of(read(tmp_path, body, hidden_text="mark"))


def test_pictures_and_missing_ends_are_told(tmp_path):
    document = parsed(tmp_path / "a.rtf", r"{\rtf1 words {\pict 8950}{\b more")
    assert share_of_words(document, "words more") == 1.0
    assert losses(document) == ["1 picture was not read: in the text."]
    assert document.warnings


def test_a_note_that_is_never_closed_is_read(tmp_path):
    document = parsed(tmp_path / "a.rtf", r"{\rtf1 fee {\footnote half {\footnote of it")
    assert share_of_words(document, "fee half of it") == 1.0


def test_groups_nested_deeply_lose_nothing(tmp_path):
    assert (
        text_of(
            parsed(tmp_path / "a.rtf", r"{\rtf1 " + "{" * 50_000 + "deep" + "}" * 50_000 + r"\par}")
        )
        == "deep"
    )


def test_long_rich_text_is_read_in_linear_time(tmp_path):
    def read(paragraphs: int) -> None:
        data = (r"{\rtf1 " + r"\pard some \b bold\b0  words\par " * paragraphs + "}").encode()
        parse_rtf(data, ParseContext(ParseOptions(), tmp_path))

    assert_grows_in_proportion(read, 1_000)
