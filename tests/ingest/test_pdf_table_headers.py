"""Headers of PDF tables: of several levels, over several columns, and what is none."""

import pytest

from tests.ingest.pdf_sheet import FIGURES, Rows, Sheet, tables, text_beside


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


PLANS = (
    ("Ship", "Plan", "Real", "Plan", "Real"),
    ("Swan", "1,200", "1,310", "1,150", "1,090"),
    ("Heron", "880", "905", "840", "861"),
    ("Rook", "410", "377", "402", "399"),
)


@pytest.mark.parametrize("at", ["left", "middle", "right"])
def test_headers_over_names_that_repeat_share_the_columns(sheet, at):
    sheet.grid(PLANS, dx=90, flush_right=True)
    for left, year in ((172, "2024"), (352, "2023")):
        if at == "left":
            sheet.canvas.drawString(left, 718, year)
        elif at == "middle":
            sheet.canvas.drawCentredString(left + 64, 718, year)
        else:
            sheet.canvas.drawRightString(left + 128, 718, year)
    (table,) = tables(sheet.read())
    assert table.rows == (("", "2024", "2024", "2023", "2023"), *PLANS)
    assert table.header_rows == 2


def test_the_name_of_the_rows_may_stand_between_the_lines_of_the_header(sheet):
    sheet.grid([("", *PLANS[0][1:]), *PLANS[1:]], dx=90, flush_right=True)
    sheet.words("Ship", y=707)
    sheet.canvas.drawRightString(300, 714, "2024")
    sheet.canvas.drawRightString(480, 714, "2023")
    (table,) = tables(sheet.read())
    assert table.header_rows == 2
    assert [row[1:] for row in table.rows[:2]] == [("2024", "2024", "2023", "2023"), PLANS[0][1:]]
    assert "Ship" in (table.rows[0][0], table.rows[1][0])


def test_a_column_beside_those_that_are_shared_stays_alone(sheet):
    rows = [(*row, more) for row, more in zip(PLANS, ("Crew", "12", "9", "7"), strict=True)]
    sheet.grid(rows, dx=80, flush_right=True)
    sheet.canvas.drawRightString(280, 718, "2024")
    sheet.canvas.drawRightString(440, 718, "2023")
    (table,) = tables(sheet.read())
    assert table.rows == (("", "2024", "2024", "2023", "2023", ""), *rows)


def draw_upright(sheet: Sheet, x: float, y: float, text: str, turn: int = 90) -> None:
    sheet.canvas.saveState()
    sheet.canvas.translate(x, y)
    sheet.canvas.rotate(turn)
    sheet.canvas.drawString(0, 0, text)
    sheet.canvas.restoreState()


@pytest.mark.parametrize("turn", [90, 270])
def test_names_set_upright_over_columns_are_their_headers(sheet, turn):
    for place, name in enumerate(PLANS[0][1:]):
        draw_upright(sheet, 172 + 90 * place, 720 if turn == 90 else 760, f"{name} dues", turn)
    sheet.grid(PLANS[1:], dx=90)
    sheet.words("The dues are told in crowns.", y=600)
    document = sheet.read()
    (table,) = tables(document)
    assert table.rows == (("", *[f"{name} dues" for name in PLANS[0][1:]]), *PLANS[1:])
    assert table.header_rows == 1
    assert text_beside(document) == "The dues are told in crowns."


def test_the_name_of_the_rows_may_stand_level_beside_upright_ones(sheet):
    for place, name in enumerate(PLANS[0][1:]):
        draw_upright(sheet, 172 + 90 * place, 720, f"{name} dues")
    sheet.words("Ship", y=722)
    sheet.grid(PLANS[1:], dx=90)
    (table,) = tables(sheet.read())
    assert table.rows[0] == ("Ship", *[f"{name} dues" for name in PLANS[0][1:]])


def test_names_set_upright_in_the_cells_of_a_grid_are_its_headers(sheet):
    sheet.rules(4, 5, x=55, y=718, dx=90)
    sheet.canvas.line(55, 790, 505, 790)
    for x in range(55, 506, 90):
        sheet.canvas.line(x, 790, x, 718)
    for place, name in enumerate(PLANS[0][1:]):
        draw_upright(sheet, 190 + 90 * place, 724, f"{name} dues")
    sheet.grid(PLANS[1:], dx=90)
    (table,) = tables(sheet.read())
    assert table.rows == (("", *[f"{name} dues" for name in PLANS[0][1:]]), *PLANS[1:])
    assert table.header_rows == 1


def test_upright_words_beside_a_table_are_no_header(sheet):
    draw_upright(sheet, 40, 640, "Ships of the weir")
    sheet.grid(PLANS, dx=90)
    document = sheet.read()
    assert tables(document)[0].rows == PLANS
    assert "Ships of the weir" in text_beside(document)
