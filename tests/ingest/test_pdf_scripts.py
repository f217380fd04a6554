"""Pages in scripts that run from right to left or downwards: read as their readers read them."""

from pathlib import Path

import pytest
from pypdfium2 import PdfDocument
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from indexes.errors import SourceEmpty
from ingest.elements import Parsed, ParseOptions
from ingest.partition import parse
from ingest.partition.pdf import silent
from ingest.partition.pdf.downward import join_columns
from ingest.partition.pdf.leftward import order_words
from ingest.partition.pdf.page import Box, Word

LETTERS = "אבגדהוזחטיךכלםמןנסעףפץצקרשת"
DEPOT = "המחסן נפתח בשעה שמונה בבוקר ונסגר בערב"
CARD = "הכניסה מותרת רק עם תעודה חתומה בידי המנהל"


def write_pdf(path: Path, content: str) -> None:
    """One page with the fonts /H, whose codes from "A" on are Hebrew letters, and /L, plain."""
    pairs = "\n".join(f"<{65 + n:02X}> <{ord(letter):04X}>" for n, letter in enumerate(LETTERS))
    names = (
        "/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <FF> "
        f"endcodespacerange {len(LETTERS)} beginbfchar\n{pairs}\nendbfchar endcmap end"
    )
    font = "<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        "/Resources<</Font<</H 5 0 R/L 6 0 R>>>>>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        f"{font}/ToUnicode 7 0 R>>",
        f"{font}>>",
        f"<</Length {len(names)}>>stream\n{names}\nendstream",
    ]
    body = "\n".join(f"{n} 0 obj {each} endobj" for n, each in enumerate(objects, start=1))
    path.write_bytes(f"%PDF-1.4\n{body}\ntrailer<</Root 1 0 R/Size 8>>\n%%EOF".encode("latin-1"))


def hebrew(text: str, right: float, y: float, size: float = 10) -> str:
    """The drawing of a line that ends at its right edge, letters from left to right as programs
    without any sense of direction put them.
    """
    shown = "".join(
        chr(65 + LETTERS.index(letter)) if letter in LETTERS else letter for letter in text[::-1]
    )
    left = right - 0.6 * size * len(text)
    return f"BT /H {size} Tf 1 0 0 1 {left} {y} Tm ({shown}) Tj ET\n"


def latin(text: str, left: float, y: float, size: float = 10) -> str:
    return f"BT /L {size} Tf 1 0 0 1 {left} {y} Tm ({text}) Tj ET\n"


def read(path: Path) -> Parsed:
    return parse(path, ParseOptions(ocr=False))


def shown(document: Parsed) -> list[tuple[str, str]]:
    return [(element.kind, element.text) for element in document.elements]


def test_lines_from_right_to_left_are_whole_and_one_paragraph(tmp_path):
    path = tmp_path / "a.pdf"
    write_pdf(
        path,
        hebrew("תקנון המחסן", 500, 780, size=18)
        + hebrew(DEPOT, 500, 740)
        + hebrew(CARD, 500, 727)
        + hebrew("ביום ראשון", 500, 714),
    )
    document = read(path)
    assert shown(document) == [
        ("heading", "תקנון המחסן"),
        ("text", f"{DEPOT} {CARD} ביום ראשון"),
    ]
    assert not document.losses


def test_figures_and_latin_names_keep_their_direction_within_such_a_line(tmp_path):
    path = tmp_path / "a.pdf"
    # from the right: the fine / 40 / shekels / at / Gate B 12 / only
    write_pdf(
        path,
        hebrew("הקנס", 500, 740)
        + latin("40", 456, 740)
        + hebrew("שקלים", 446, 740)
        + latin("Gate B 12", 356, 740)
        + hebrew("בלבד", 350, 740),
    )
    assert shown(read(path)) == [("text", "הקנס 40 שקלים Gate B 12 בלבד")]


def test_signs_stand_where_a_reader_of_the_script_has_them(tmp_path):
    path = tmp_path / "a.pdf"
    # the fine (from / 1,200 / ) is for all: the brackets are drawn turned around
    write_pdf(
        path,
        hebrew("הקנס", 500, 740)
        + latin("\\)", 464, 740)
        + hebrew("בין", 464, 740)
        + latin("1,200", 410, 740)
        + hebrew("ל", 404, 740)
        + latin("40%", 374, 740)
        + latin("\\(", 368, 740)
        + hebrew("חל על הכל", 362, 740),
    )
    assert shown(read(path)) == [("text", "הקנס (בין 1,200 ל 40%) חל על הכל")]


def test_a_name_from_right_to_left_within_a_line_of_the_other_direction(tmp_path):
    path = tmp_path / "a.pdf"
    write_pdf(
        path,
        latin("The depot is called", 60, 740)
        + hebrew("המחסן הגדול", 180 + 66, 740)
        + latin("by all who work there.", 252, 740),
    )
    assert shown(read(path)) == [("text", "The depot is called המחסן הגדול by all who work there.")]


def test_a_table_from_right_to_left_has_its_columns_from_the_right(tmp_path):
    path = tmp_path / "a.pdf"
    rows = [("מוצר", "מחיר", "כמות"), ("מלח", "14", "20"), ("אורז", "27", "31"), ("קמח", "9", "8")]
    content = hebrew(DEPOT, 500, 740)
    for number, row in enumerate(rows):
        y = 700 - 15 * number
        for column, text in enumerate(row):
            right = 500 - 100 * column
            content += (
                latin(text, right - 6 * len(text), y) if text.isdigit() else hebrew(text, right, y)
            )
    write_pdf(path, content)
    table = next(element.table for element in read(path).elements if element.table)
    assert [tuple(row) for row in table.rows] == rows


def test_a_page_whose_letters_cannot_be_put_into_order_is_counted(tmp_path):
    path = tmp_path / "a.pdf"
    letters = (DEPOT + CARD).replace(" ", "")
    content = "".join(
        hebrew(letter, 60 + 97 * n % 480, 780 - 41 * n % 640) for n, letter in enumerate(letters)
    )
    write_pdf(path, content)
    assert [(loss.kind, loss.count) for loss in read(path).losses] == [("part", 1)]


def word(text: str, left: float, *, leftward: bool = False) -> Word:
    box = Box(left, 90, left + 6 * len(text), 100)
    return Word(text, box, 100, 10, line=1, leftward=leftward)


def test_words_are_ordered_by_the_direction_of_most_of_the_line():
    words = [word("9001", 40), word("ISO", 10), word("לפי", 70, leftward=True)]
    assert [each.text for each in order_words(words)] == ["לפי", "ISO", "9001"]
    plain = [word("see", 10), word("המחסן", 60, leftward=True), word("כל", 40, leftward=True)]
    more = [*plain, word("and others", 100)]
    assert [each.text for each in order_words(more)] == ["see", "המחסן", "כל", "and others"]


# --- letters that PDFium leaves out ---------------------------------------------------------------

RULES = ["横書きの規則はここにある。", "倉庫は朝八時に開く。"]


def write_single_letters(path: Path, *, title: str) -> None:
    """Japanese letters, each drawn by itself, in a font that is not in the file."""
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    canvas = Canvas(str(path), pagesize=(595, 842))
    canvas.drawString(60, 800, title)
    canvas.setFont("HeiseiMin-W3", 14)
    for number, line in enumerate(RULES):
        for place, letter in enumerate(line):
            canvas.drawString(60 + 14 * place, 760 - 18 * number, letter)
    canvas.save()


@pytest.mark.parametrize("title", ["", "Rules of the depot"])
def test_single_letters_in_a_font_that_is_not_in_the_file_are_read(tmp_path, title):
    path = tmp_path / "a.pdf"
    write_single_letters(path, title=title)
    document = read(path)
    text = "\n".join(element.text for element in document.elements)
    assert "".join(RULES) in text
    assert title in text
    assert not document.losses


def test_such_letters_are_counted_if_nobody_can_read_them(tmp_path, monkeypatch):
    monkeypatch.setattr(silent, "MAX_PAGES", 0)
    path = tmp_path / "a.pdf"
    write_single_letters(path, title="Rules of the depot")
    if RULES[0][0] in PdfDocument(path)[0].get_textpage().get_text_bounded():
        pytest.skip("a Japanese font is installed, so PDFium reads these letters itself")
    assert ("undecodable", 23) in [(loss.kind, loss.count) for loss in read(path).losses]
    write_single_letters(path, title="")
    with pytest.raises(SourceEmpty):
        read(path)


# --- from top to bottom ---------------------------------------------------------------------------

COLUMNS = ["縦書きの規則はここにある。", "倉庫は朝八時に開く。", "鍵は守衛が持つ。"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
@pytest.mark.parametrize("vertical", [True, False])
def test_columns_from_top_to_bottom_are_read_from_the_right(tmp_path, vertical, order):
    font = UnicodeCIDFont("HeiseiKakuGo-W5", isVertical=vertical)
    pdfmetrics.registerFont(font)
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(595, 842))
    canvas.drawString(60, 800, "Rules of the depot")
    canvas.setFont(font.fontName, 14)
    for number in order:
        if vertical:
            canvas.drawString(500 - 30 * number, 740, COLUMNS[number])
            continue
        for place, letter in enumerate(COLUMNS[number]):
            canvas.drawString(500 - 30 * number, 740 - 15 * place, letter)
    canvas.save()
    assert shown(read(tmp_path / "a.pdf")) == [
        ("text", "Rules of the depot"),
        ("text", "".join(COLUMNS)),
    ]


def stack(text: str, left: float, top: float) -> list[Word]:
    return [
        Word(letter, Box(left, y, left + 10, y + 10), y + 9, 10, line=1)
        for y, letter in zip(range(int(top), 900, 11), text, strict=False)
    ]


def test_tiers_of_columns_follow_each_other():
    words = [
        *stack("一二三四", 50, 100),
        *stack("五六七八", 80, 100),
        *stack("甲乙丙丁", 50, 200),
        *stack("戊己庚辛", 80, 200),
    ]
    assert [word.text for word in join_columns(words)] == [
        "五六七八",
        "一二三四",
        "戊己庚辛",
        "甲乙丙丁",
    ]


def test_single_letters_below_each_other_in_a_level_text_stay():
    level = Word("倉庫は朝八時に開く規則", Box(50, 50, 160, 60), 59, 10, line=0)
    words = [level, *stack("一二三", 50, 100)]
    assert join_columns(words) == tuple(words)
