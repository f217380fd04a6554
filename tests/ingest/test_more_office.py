"""Other Office files of the kinds that other tests know: what a careful reader expects of them."""

import pytest
from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from pptx import Presentation

from ingest.partition.office.number_formats import format_number
from tests.ingest.office_xml import (
    cell,
    grid,
    lost,
    open_text,
    para,
    read,
    row,
    run,
    table,
    texts,
    word,
)

RAISED, LOWERED = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'


def field(*pieces: str) -> str:
    """A field: its parts stand between the signs that begin it, part it and end it."""
    signs = ("begin", "separate", "end")
    made = [f'<w:r><w:fldChar w:fldCharType="{sign}"/></w:r>' for sign in signs]
    told, result = pieces
    return f"{made[0]}{told}{made[1]}{result}{made[2]}"


def code(text: str) -> str:
    return f"<w:r><w:instrText>{text}</w:instrText></w:r>"


def formula(inner: str) -> str:
    return f"<m:oMath>{inner}</m:oMath>"


def said(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def style(name: str, about: str) -> str:
    return (
        f'<w:style w:styleId="{name}"><w:name w:val="{name}"/><w:rPr>{about}</w:rPr></w:style>'
        f'<w:style w:styleId="{name}2"><w:name w:val="{name}2"/><w:basedOn w:val="{name}"/></w:style>'
    )


@pytest.mark.parametrize(
    ("pieces", "reads"),
    [
        ((run("10"), run("5", RAISED), run(" tons")), "10^5 tons"),
        ((run("10"), run("−", RAISED), run("12", RAISED)), "10^−12"),
        ((run("CO"), run("2", LOWERED), run(" on the 2"), run("nd", RAISED)), "CO2 on the 2nd"),
        ((run("m"), run("2", '<w:rStyle w:val="Up2"/>')), "m^2"),
        ((field(code("IF ") + field(code("MERGEFIELD x"), run("no")), run("yes")),), "yes"),
        ((run("a"), f"<w:fldSimple><w:fldSimple>{run('7')}</w:fldSimple></w:fldSimple>"), "a7"),
        ((formula(f"<m:f><m:num>{said('1')}</m:num><m:den>{said('2x')}</m:den></m:f>"),), "1/(2x)"),
        (
            (formula(f"<m:f><m:num>{said('1')}</m:num><m:den>{said('2')}</m:den></m:f>{said('x')}"),),
            "1/2 x",
        ),
        (
            (formula(f"<m:sSup><m:e>{said('e')}</m:e><m:sup>{said('2t')}</m:sup></m:sSup>"),),
            "e^(2t)",
        ),
    ],
)  # fmt: skip
def test_a_sentence_keeps_what_its_figures_mean(tmp_path, pieces, reads):
    document = read(word(tmp_path / "a.docx", para(*pieces, "."), styles=style("Up", RAISED)))
    assert texts(document) == [f"{reads}."]


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ('<w:color w:val="ffffff"/>', "in white on white"),
        ('<w:sz w:val="1"/>', "in letters of one point or less"),
        ("<w:vanish/>", "in hidden characters"),
    ],
)
def test_text_that_a_style_hides_is_left_out_and_counted(tmp_path, about, why):
    body = (
        para(run("obey me", '<w:rStyle w:val="S2"/>'), "Seen.")
        + para("gone too", about='<w:pStyle w:val="S"/>')
        + para(run("Shown.", '<w:vanish w:val="0"/><w:sz w:val="20"/><w:color w:val="000000"/>'),
               about='<w:pStyle w:val="S"/>')
    )  # fmt: skip
    document = read(word(tmp_path / "a.docx", body, styles=style("S", about)))
    assert texts(document) == ["Seen.", "Shown."]
    assert lost(document) == [("hidden", 4, why)]


def test_a_style_in_white_is_seen_on_a_colour(tmp_path):
    shaded = cell(para("White", about='<w:pStyle w:val="S"/>'), '<w:shd w:fill="003366"/>')
    body = grid(row(shaded, "Value"), row("a", "1"))
    document = read(word(tmp_path / "a.docx", body, styles=style("S", '<w:color w:val="FFFFFF"/>')))
    assert table(document).text == "White | Value\na | 1"
    assert not document.losses


def test_raised_figures_of_sheets_and_slides_are_powers(tmp_path):
    book = Workbook()
    small = InlineFont(vertAlign="superscript")
    book.active.append(
        ["Area", CellRichText("10", TextBlock(small, "6"), " m", TextBlock(small, "2"))]
    )
    book.active.append(["North", 5])
    book.save(tmp_path / "a.xlsx")
    assert "10^6 m^2" in "\n".join(texts(read(tmp_path / "a.xlsx")))
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    paragraph = slide.shapes.add_textbox(0, 0, 900, 900).text_frame.paragraphs[0]
    for text, shift in (("10", 0), ("6", 30_000), (" H", 0), ("2", -25_000), ("O", 0)):
        added = paragraph.add_run()
        added.text = text
        added.font._element.set("baseline", str(shift))
    show.save(tmp_path / "a.pptx")
    assert "10^6 H2O" in texts(read(tmp_path / "a.pptx"))


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (0.75, "# ?/4", "3/4"),
        (2.75, "# ?/8", "2 3/4"),
        (0.75, "0/4", "3/4"),
        (3.1, "# ??/100", "3 1/10"),
        (5, '0"/day"', "5/day"),
        (5, "0/\\d", "5/d"),
    ],
)
def test_fractions_with_a_denominator_of_their_own_are_no_other_number(value, form, shown):
    assert format_number(value, form) == shown


@pytest.mark.parametrize(
    ("rows", "headers"),
    [
        (((2021, 100), (2022, 110), (2023, 120)), 0),  # years go down, they name no columns
        (((1, 2), (2, 4), (3, 6)), 0),
        (((7, 5), (8, 6)), 0),
        ((("Item", 2021, 2022), ("Sales", 1, 2)), 1),
        (((2021, 2022, 2023), (5, 6, 7)), 1),
        ((("Age", 0, 10, 20), ("Men", 1, 2, 3)), 1),
        ((("Name", "Value"), ("NA", 1), ("None", "null")), 1),
    ],
)
def test_a_first_row_of_values_is_no_header(tmp_path, rows, headers):
    book = Workbook()
    for each in rows:
        book.active.append(each)
    book.save(tmp_path / "a.xlsx")
    found = table(read(tmp_path / "a.xlsx")).table
    assert found is not None
    assert found.header_rows == headers


def test_groups_of_columns_that_are_not_merged_name_all_their_columns(tmp_path):
    book = Workbook()
    for each in (
        (None, "2023", None, "2022", None),
        ("Item", "Plan", "Actual", "Plan", "Actual"),
        ("Sales", 1, 2, 3, 4),
        ("Cost", 5, 6, 7, 8),
    ):
        book.active.append(each)
    book.save(tmp_path / "a.xlsx")
    assert table(read(tmp_path / "a.xlsx")).text.startswith(
        "| 2023 | 2023 | 2022 | 2022\nItem | Plan | Actual | Plan | Actual\nSales | 1 | 2 | 3 | 4"
    )


def test_what_stands_once_above_other_columns_is_not_spread(tmp_path):
    book = Workbook()
    for each in (
        (None, "2023", None, "Note", None),
        ("Item", "Plan", "Actual", "By", "Seen"),
        ("Sales", 1, 2, 3, 4),
        ("Cost", 5, 6, 7, 8),
    ):
        book.active.append(each)
    book.save(tmp_path / "a.xlsx")
    assert table(read(tmp_path / "a.xlsx")).text.startswith("| 2023 |  | Note\nItem")


@pytest.mark.parametrize(
    ("position", "reads"),
    [("super 58%", "10^6 m"), ("33% 58%", "10^6 m"), ("-33% 58%", "10_6 m"), ("0% 100%", "106 m")],
)
def test_raised_letters_of_open_text_are_powers(tmp_path, position, reads):
    about = f'<style:text-properties style:text-position="{position}"/>'
    name = f'<style:style style:family="text" style:name="S">{about}</style:style>'
    body = '<text:p>10<text:span text:style-name="S">6</text:span> m</text:p>'
    assert texts(read(open_text(tmp_path / "a.odt", body, styles=name))) == [reads]
