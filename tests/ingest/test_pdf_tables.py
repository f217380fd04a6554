"""Tables of PDF pages: cells, headers and names, and what is no table."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.elements import Parsed, ParseOptions, Table
from ingest.partition import parse

Rows = Sequence[Sequence[str]]
FIGURES = (
    ("Mill", "2021", "2022", "2023"),
    ("Brook", "", "14", "15"),
    ("Hill", "23", "", "25"),
    ("Ford", "33", "34", ""),
)


class Sheet:
    """One page to draw on, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.pdf"
        self.canvas = Canvas(str(self.path), pagesize=(595, 842))
        self.canvas.setFont("Helvetica", 10)

    def words(self, *lines: str, y: float, x: float = 60, size: float = 10) -> None:
        self.canvas.setFont("Helvetica", size)
        for number, line in enumerate(lines):
            self.canvas.drawString(x, y - 13 * number, line)
        self.canvas.setFont("Helvetica", 10)

    def grid(self, rows: Rows, *, x: float = 60, y: float = 700, dx: float = 100, dy: float = 18,
             flush_right: bool = False) -> None:  # fmt: skip
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                if flush_right and column:
                    self.canvas.drawRightString(x + dx * column + 60, y - dy * number, text)
                elif text:
                    self.canvas.drawString(x + dx * column, y - dy * number, text)

    def rules(self, rows: int, columns: int, *, x: float = 55, y: float = 713, dx: float = 100,
              dy: float = 18) -> None:  # fmt: skip
        for number in range(rows + 1):
            self.canvas.line(x, y - dy * number, x + dx * columns, y - dy * number)
        for number in range(columns + 1):
            self.canvas.line(x + dx * number, y, x + dx * number, y - dy * rows)

    def read(self) -> Parsed:
        self.canvas.save()
        return parse(self.path, ParseOptions(ocr=False))


@pytest.fixture
def sheet(tmp_path):
    return Sheet(tmp_path)


def tables(document: Parsed) -> list[Table]:
    return [element.table for element in document.elements if element.table is not None]


def text_beside(document: Parsed) -> str:
    return "\n".join(element.text for element in document.elements if element.kind != "table")


@pytest.mark.parametrize("flush_right", [False, True])
@pytest.mark.parametrize("ruled", [False, True])
def test_empty_cells_stay_empty(sheet, ruled, flush_right):
    if ruled:
        sheet.rules(4, 4)
    sheet.grid(FIGURES, flush_right=flush_right)
    (table,) = tables(sheet.read())
    assert table.rows == FIGURES
    assert (table.header_rows, table.header_columns) == (1, 1)


def test_a_table_drawn_column_by_column_has_rows(sheet):
    for column in range(4):
        for number, row in enumerate(FIGURES):
            sheet.canvas.drawString(60 + 100 * column, 700 - 18 * number, row[column])
    assert tables(sheet.read())[0].rows == FIGURES


def test_name_unit_and_period_above_a_table_go_with_it_and_stand_once(sheet):
    sheet.words(
        "Table 3: Upkeep of the mills",
        "(in thousands of crowns)",
        "for the years 2021 to 2023",
        y=760,
    )
    sheet.grid(FIGURES)
    sheet.words("The table above shows upkeep without tax.", y=600)
    document = sheet.read()
    (table,) = tables(document)
    assert table.caption == "Table 3: Upkeep of the mills"
    assert table.notes == ("(in thousands of crowns)", "for the years 2021 to 2023")
    assert text_beside(document) == "The table above shows upkeep without tax."
    assert document.elements[0].text.count("Upkeep of the mills") == 1


def test_the_end_of_a_paragraph_is_no_name_of_the_table_below(sheet):
    sheet.words("The mills were kept well in all the years that are shown here and cost",
                "more than in the years before.", y=735)  # fmt: skip
    sheet.grid(FIGURES)
    document = sheet.read()
    assert tables(document)[0].caption == ""
    assert "more than in the years before." in text_beside(document)


def test_a_header_over_several_columns_stands_over_each_of_them(sheet):
    sheet.canvas.drawCentredString(285, 718, "Year ended 31 December")
    sheet.canvas.line(160, 714, 410, 714)
    sheet.grid(
        [
            ("", "2024", "2023", "2022"),
            ("Sales", "120", "111", "98"),
            ("Costs", "88", "90", "77"),
            ("Profit", "32", "21", "21"),
        ],
        y=702,
    )
    (table,) = tables(sheet.read())
    assert table.rows[0] == ("", *["Year ended 31 December"] * 3)
    assert table.header_rows == 2
    assert table.spans == ((0, 1, 1, 3),)


def draw_centred(sheet: Sheet, rows: Rows, dy: float = 18) -> None:
    """A table whose rows of one cell stand in its middle."""
    for number, row in enumerate(rows):
        if len(row) == 1:
            sheet.canvas.drawCentredString(240, 700 - dy * number, row[0])
        else:
            sheet.grid([row], y=700 - dy * number, flush_right=True)


@pytest.mark.parametrize(
    ("second", "dy"),
    [(["Southern region"], 13), (["Southern region"], 18), ([], 18)],
    ids=["close", "wide", "single"],
)
def test_a_centred_name_of_a_section_is_no_header(sheet, second, dy):
    rows = [
        ("Product", "2021", "2022", "2023"),
        ("Northern region of the country",),
        ("Salt", "1", "2", "3"),
        ("Rice", "5", "6", "7"),
        *([(second[0],)] if second else []),
        ("Salt", "11", "12", "13"),
        ("Rice", "15", "16", "17"),
    ]
    draw_centred(sheet, rows, dy)
    (table,) = tables(sheet.read())
    assert table.header_rows == 1
    assert table.rows == tuple(row if len(row) > 1 else row * 4 for row in rows)


def test_a_unit_in_the_middle_under_a_header_is_one(sheet):
    draw_centred(sheet, [FIGURES[0], ("(thousands of crowns)",), *FIGURES[2:]])
    (table,) = tables(sheet.read())
    assert table.header_rows == 2


def test_the_further_line_of_a_header_is_no_name_of_a_section(sheet):
    sheet.grid([("Mill", "Wheat ground", "Rye"), ("", "in the year", "")], y=700, dx=150, dy=12)
    sheet.grid([("Brook", "14", "15"), ("Hill", "23", "25")], y=676, dx=150, dy=14)
    (table,) = tables(sheet.read())
    assert table.rows[0] == ("Mill", "Wheat ground in the year", "Rye")


def test_merged_cells_of_a_ruled_table_are_spread(sheet):
    canvas = sheet.canvas
    for y in (700, 680, 640):
        canvas.line(50, y, 350, y)
    canvas.line(150, 660, 350, 660)
    for x in (50, 150, 350):
        canvas.line(x, 700, x, 640)
    canvas.line(250, 680, 250, 640)
    sheet.words("Quay", y=686, x=55)
    sheet.words("Crates on", y=686, x=220)
    sheet.words("West", y=656, x=55)
    for x, y, text in (
        (155, 666, "Monday"),
        (255, 666, "12"),
        (155, 646, "Friday"),
        (255, 646, "14"),
    ):
        sheet.words(text, y=y, x=x)
    (table,) = tables(sheet.read())
    assert table.rows == (
        ("Quay", "Crates on", "Crates on"),
        ("West", "Monday", "12"),
        ("West", "Friday", "14"),
    )
    assert set(table.spans) == {(0, 1, 1, 2), (1, 0, 2, 1)}


def test_cells_of_several_lines_are_one(sheet):
    sheet.grid(
        [
            ("", "2024", "2023"),
            ("Crates", "12", "14"),
            ("Purchases of property,", "", ""),
            ("plant and equipment", "120", "111"),
            ("Sacks", "9", "8"),
        ],
        dx=140,
        dy=12,
    )
    assert tables(sheet.read())[0].rows[2:] == (
        ("Purchases of property, plant and equipment", "120", "111"),
        ("Sacks", "9", "8"),
    )


def test_currency_signs_that_stand_apart_belong_to_their_figures(sheet):
    sheet.grid(
        [
            ("", "", "2024", "", "2023"),
            ("Sales", "$", "32,765", "$", "32,184"),
            ("Costs", "", "6,929", "", "(7,049)"),
            ("Profit", "$", "7,654", "$", "—"),
        ],
        dx=60,
    )
    assert tables(sheet.read())[0].rows == (
        ("", "2024", "2023"),
        ("Sales", "$ 32,765", "$ 32,184"),
        ("Costs", "6,929", "(7,049)"),
        ("Profit", "$ 7,654", "$ —"),
    )


def test_a_table_that_goes_on_has_its_header_on_every_page(sheet):
    rows = [
        ("", "2024", "2023"),
        *((f"Item {n:02}", f"{n + 100}", f"{n + 200}") for n in range(70)),
    ]
    sheet.words("Statement of the dairy", y=780)
    for first in (0, 36):
        sheet.grid(rows[first : first + 36], y=760, dx=140, dy=18)
        sheet.canvas.showPage()
        sheet.canvas.setFont("Helvetica", 10)
    document = sheet.read()
    one, two = (element for element in document.elements if element.table)
    assert (one.page, two.page) == (1, 2)
    assert two.table.rows[:2] == (("", "2024", "2023"), ("Item 35", "135", "235"))
    assert (two.table.header_rows, two.table.caption) == (1, "Statement of the dairy")


def test_another_table_on_the_next_page_keeps_its_own_header(sheet):
    sheet.grid(FIGURES, y=200)
    sheet.canvas.showPage()
    sheet.canvas.setFont("Helvetica", 10)
    sheet.grid((("Weir", "2011", "2012", "2013"), *FIGURES[1:]), y=760)
    assert [table.rows[0][0] for table in tables(sheet.read())] == ["Mill", "Weir"]


LEDGER = (
    ("Ship", "Berth", "Dues"),
    *((f"Ship {n:03}", f"{n + 100}", f"{7 + 13 * n}.50") for n in range(100)),
)


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("header", ["", "Harbour ledger 2024"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_running_lines_and_page_numbers_do_not_part_a_table(sheet, count, header, repeated):
    for number in range(count):
        sheet.words(f"Page {number + 1}", y=30, x=280, size=13)
        if header:
            sheet.words(header, y=800, size=8)
        if number == 0:
            sheet.words("Table 7: Dues of ships", "(in crowns)", y=776)
        head = LEDGER[:1] if repeated or not number else ()
        sheet.grid((*head, *LEDGER[1 + 15 * number : 16 + 15 * number]), y=750)
        sheet.canvas.showPage()
        sheet.canvas.setFont("Helvetica", 10)
    document = sheet.read()
    found = tables(document)
    assert [table.rows[:2] for table in found] == [
        (LEDGER[0], LEDGER[1 + 15 * n]) for n in range(count)
    ]
    assert {(table.caption, table.notes) for table in found} == {
        ("Table 7: Dues of ships", ("(in crowns)",))
    }
    assert not [element for element in document.elements if element.kind == "heading"]


def test_a_line_with_the_sign_for_numbers_is_no_page_number(sheet):
    sheet.words("# of ships", y=760, size=18)
    sheet.words(*PROSE, y=720)
    assert [element.kind for element in sheet.read().elements] == ["heading", "text"]


def test_a_line_of_its_own_between_two_tables_parts_them(sheet):
    sheet.words("Table 7: Dues of ships", y=776)
    sheet.grid(LEDGER[:16], y=750)
    sheet.words("Dues were raised in March.", y=60)
    sheet.canvas.showPage()
    sheet.canvas.setFont("Helvetica", 10)
    sheet.grid(LEDGER[:16], y=750)
    assert [table.caption for table in tables(sheet.read())] == ["Table 7: Dues of ships", ""]


PROSE = (
    "The ropes of the bell are changed every seven years and the",
    "old ones are given to the school for the games that children",
    "play there in the summer when the weather is warm enough.",
)


def words_wide_apart(sheet: Sheet) -> None:
    for number, line in enumerate(PROSE):
        x = 60.0
        for word in line.split():
            sheet.canvas.drawString(x, 700 - 15 * number, word)
            x += sheet.canvas.stringWidth(word, "Helvetica", 10) + 13


def contents(sheet: Sheet) -> None:
    for number, name in enumerate(("Scope", "Terms", "Delivery", "Storage", "Liability")):
        sheet.words(f"{name} " + ". " * 40 + str(3 * number + 1), y=700 - 15 * number)


def contents_without_dots(sheet: Sheet) -> None:
    sheet.grid(
        [
            (name, str(3 * n + 1))
            for n, name in enumerate(("Scope", "Terms", "Delivery", "Storage", "Liability"))
        ],
        dx=300,
    )


def bullets(sheet: Sheet) -> None:
    sheet.grid([("•", line) for line in PROSE], dx=20)


def numbered(sheet: Sheet) -> None:
    sheet.grid([(f"{n}.", line) for n, line in enumerate(PROSE, start=1)], dx=25)


def two_columns(sheet: Sheet) -> None:
    for x in (40, 320):
        sheet.words(*PROSE, *PROSE, y=700, x=x, size=8)


def names_and_values(sheet: Sheet) -> None:
    sheet.grid([("Boat:", "Heron"), ("Length:", "nine metres"), ("Owner:", "rowing club")], dx=70)


def framed_text(sheet: Sheet) -> None:
    sheet.canvas.rect(50, 640, 400, 80)
    sheet.words(*PROSE, y=700)


@pytest.mark.parametrize(
    "draw",
    [
        words_wide_apart,
        contents,
        contents_without_dots,
        bullets,
        numbered,
        two_columns,
        names_and_values,
        framed_text,
    ],
)
def test_what_is_no_table_is_none(sheet, draw):
    draw(sheet)
    document = sheet.read()
    assert not tables(document)
    assert document.elements


def test_a_table_of_words_between_two_lines_is_one(sheet):
    sheet.canvas.line(55, 714, 480, 714)
    rows = (
        ("Name", "Duty"),
        ("A. Miller", "Keeper of the lock"),
        ("B. Weber", "Pilot"),
        ("C. Huang", "Cook"),
    )
    sheet.grid(rows, dx=200)
    sheet.canvas.line(55, 640, 480, 640)
    assert tables(sheet.read())[0].rows == rows


def test_a_page_of_very_many_lines_ends_soon(sheet):
    for number in range(3_000):
        sheet.canvas.line(number % 600, 0, number % 600, 800)
        sheet.canvas.line(0, number % 800, 600, number % 800)
    sheet.words(*PROSE, y=700)
    assert "ropes of the bell" in text_beside(sheet.read())
