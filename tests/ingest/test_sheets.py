"""What a spreadsheet shows is what is read: numbers by their formats, tables apart, nothing unseen."""

from datetime import date, datetime, time

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.worksheet.table import Table

from indexes.errors import SourceEmpty
from ingest.elements import ParseOptions
from ingest.partition.office.number_formats import format_number
from ingest.partition.sheets import cells
from ingest.partition.sheets import tables as sheet_tables
from tests.ingest import files
from tests.ingest.office_xml import NO_OCR, ODF_NAMES, lost, pack, read, share_of_words, texts

KEPT = ParseOptions(ocr=False, hidden_text="mark")


def book(path, *rows, **formats):
    """A workbook with one sheet; formats by the places of cells. It is saved when it is read."""
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(list(row))
    for place, code in formats.items():
        made.active[place].number_format = code
    made.save(path)
    return made


def tables(document):
    return [element.table for element in document.elements if element.table]


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.075, "0.0%", "7.5%"),
        (1.1, "0%", "110%"),
        (-1234.5, "#,##0.00", "-1,234.50"),
        (-1234.5, "#,##0.00;[Red](#,##0.00)", "(1,234.50)"),
        (1234.5, '_-* #,##0.00\\ "€"_-;-* #,##0.00\\ "€"_-', "1,234.50 €"),
        (1234, "[$£-809]#,##0", "£1,234"),
        (1234567, '#,##0.0,,"M"', "1.2M"),
        (7, "00000", "00007"),
        (123456789, "000-00-0000", "123-45-6789"),
        (0.1 + 0.2, "General", "0.3"),
        (1e15, "0", "1000000000000000"),
        (2.25, "# ?/?", "2 1/4"),
        (12345, "0.00E+00", "1.23E+04"),
        (50, '[<10]"few";"many"', "many"),
        (5, ";;;", ""),
        (46096, "dd/mm/yyyy", "15/03/2026"),
        (46096, "d mmmm yyyy", "15 March 2026"),
        (46096, 'yyyy"年"m"月"d"日"', "2026年3月15日"),
        (46096, "[$-F800]dddd, mmmm dd, yyyy", "2026-03-15"),
        (46096.64236, "yyyy-mm-dd h:mm", "2026-03-15 15:25"),
        (0.70833, "h:mm AM/PM", "5:00 PM"),
        (1.5, "[h]:mm", "36:00"),
    ],
)
def test_numbers_read_as_their_format_shows_them(value, code, shown):
    assert format_number(value, code) == shown


def test_cells_read_as_the_sheet_shows_them(tmp_path):
    book(
        tmp_path / "a.xlsx",
        ["Kind", "Rate", "Day", "From", "Open"],
        ["NA", 0.2, date(2026, 3, 15), time(4, 15), True],
        ["null", 1.1, datetime(2026, 6, 1, 3, 25), None, False],
        B2="0%", B3="0.0%", C2="dd.mm.yyyy", D2="h:mm",
    )  # fmt: skip
    document = read(tmp_path / "a.xlsx")
    assert texts(document) == [
        "Kind | Rate | Day | From | Open\n"
        "NA | 20% | 15.03.2026 | 4:15 | TRUE\n"
        "null | 110.0% | 2026-06-01 3:25:00 |  | FALSE"
    ]
    assert not document.losses


def test_a_formula_without_a_stored_value_is_shown_and_warned_of(tmp_path):
    book(tmp_path / "a.xlsx", ["Item", "Amount"], ["Rope", 10], ["Total", "=SUM(B2:B2)"])
    document = read(tmp_path / "a.xlsx")
    assert "Total | =SUM(B2:B2)" in texts(document)[0]
    assert "Formulas without a stored value: 1." in document.warnings[0]


def test_hidden_sheets_rows_columns_and_cells_are_left_out_and_counted(tmp_path):
    made = book(
        tmp_path / "a.xlsx",
        ["Site", "Cost", "Bonus"],
        ["Weir", 12, 91],
        ["Lock", 14, 92],
        ["Dam", 15, 93],
    )
    sheet = made.active
    sheet.title = "Open"
    sheet.column_dimensions["C"].hidden = True
    sheet.row_dimensions[3].hidden = True
    sheet["B4"].number_format = ";;;"
    sheet["A5"], sheet["A5"].font = "ghost", Font(color="FFFFFF")
    drafts = made.create_sheet("Drafts")
    drafts.append(["Bonus plan"])
    drafts.sheet_state = "hidden"
    made.save(tmp_path / "a.xlsx")
    document = read(tmp_path / "a.xlsx")
    assert texts(document) == ["Open", "Site | Cost\nWeir | 12\nDam"]
    assert set(lost(document)) == {
        ("hidden", 3, "in hidden columns of the sheet Open"),
        ("hidden", 3, "in hidden rows of the sheet Open"),
        ("hidden", 1, "in cells of the sheet Open whose format shows nothing"),
        ("hidden", 1, "in white on white in the sheet Open"),
        ("hidden", 2, "in the hidden sheet Drafts"),
    }
    marked = "\n".join(texts(read(tmp_path / "a.xlsx", KEPT)))
    assert "[hidden text: Bonus plan]" in marked
    assert "[hidden text: Lock]" in marked


def test_a_label_merged_over_many_rows_holds_for_each_and_headers_over_columns_tie_two_rows(
    tmp_path,
):
    made = book(
        tmp_path / "a.xlsx",
        ["Field", "Summer", None],
        [None, "Carts", "Sacks"],
        ["Upper", 41, 52],
        [None, 43, 54],
    )
    for area in ("A1:A2", "B1:C1", "A3:A4"):
        made.active.merge_cells(area)
    made.save(tmp_path / "a.xlsx")
    (found,) = tables(read(tmp_path / "a.xlsx"))
    assert found.rows == (
        ("Field", "Summer", "Summer"), ("Field", "Carts", "Sacks"), ("Upper", "41", "52"), ("Upper", "43", "54"),
    )  # fmt: skip
    assert found.header_rows == 2
    assert set(found.spans) == {(0, 0, 2, 1), (0, 1, 1, 2), (2, 0, 2, 1)}


def test_tables_apart_by_empty_rows_are_tables_of_their_own_with_the_lines_above_them(tmp_path):
    book(
        tmp_path / "a.xlsx",
        ["Costs of the mill"], ["in thousands"], ["Item", "2024"], ["Rope", 10], ["Chain", 20],
        [], ["Sum", 30],
        [], ["Staff"], [], ["Name", "Years"], ["Ada", 3],
    )  # fmt: skip
    first, second = tables(read(tmp_path / "a.xlsx"))
    assert (first.caption, first.notes) == ("Costs of the mill", ("in thousands",))
    assert first.rows[-1] == ("Sum", "30")
    assert (second.caption, second.rows) == ("Staff", (("Name", "Years"), ("Ada", "3")))
    assert first.header_rows == second.header_rows == 1


def test_lists_side_by_side_are_apart_and_a_spacer_column_cuts_nothing(tmp_path):
    beside = (
        ["Name", "Age", None, "Tool", "Price"],
        ["Ada", 3, None, "Saw", 35],
        ["Bo", 4, None, "Axe", 20],
    )
    book(tmp_path / "a.xlsx", *beside)
    assert [found.rows[0] for found in tables(read(tmp_path / "a.xlsx"))] == [
        ("Name", "Age"), ("Tool", "Price"),
    ]  # fmt: skip
    book(tmp_path / "b.xlsx", ["Item", "", 2024, None, 2023], ["Sales", "", 5, None, 4])
    (found,) = tables(read(tmp_path / "b.xlsx"))
    assert found.rows == (("Item", "2024", "2023"), ("Sales", "5", "4"))


def test_the_file_says_where_its_headers_are(tmp_path):
    made = book(tmp_path / "a.xlsx", ["a", "b"], ["c", "d"], ["e", 1])
    made.active.freeze_panes = "A3"
    made.save(tmp_path / "a.xlsx")
    assert tables(read(tmp_path / "a.xlsx"))[0].header_rows == 2
    made = book(tmp_path / "b.xlsx", ["a", "b"], ["c", "d"], ["e", "f"])
    made.active.add_table(Table(displayName="T", ref="A1:B3"))
    made.save(tmp_path / "b.xlsx")
    assert tables(read(tmp_path / "b.xlsx"))[0].header_rows == 1


def test_figures_alone_name_no_columns(tmp_path):
    book(tmp_path / "a.xlsx", [1.5, 2.5, 9], [3, 4, 7])
    assert tables(read(tmp_path / "a.xlsx"))[0].header_rows == 0


def test_comments_say_where_they_stand(tmp_path):
    made = book(tmp_path / "a.xlsx", ["Item", "Cost"], ["Chair", 120])
    made.active["B2"].comment = Comment("Too dear", "Ada")
    made.save(tmp_path / "a.xlsx")
    document = read(tmp_path / "a.xlsx")
    assert texts(document)[-1] == "Comment on B2 by Ada: Too dear"
    assert share_of_words(tmp_path / "a.xlsx", document) == 1


def test_cells_beyond_the_limit_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "MAX_CELLS", 4)
    book(tmp_path / "a.xlsx", ["a", "b"], ["c", 1], ["d", 2])
    document = read(tmp_path / "a.xlsx")
    assert lost(document) == [("limit", 2, "of the sheet Sheet")]


def test_cells_far_apart_take_no_room_between_them(tmp_path, monkeypatch):
    made = book(tmp_path / "a.xlsx", ["first", "near"], ["name", 2])
    made.active["XFD2"] = "far"
    made.save(tmp_path / "a.xlsx")
    (found,) = tables(read(tmp_path / "a.xlsx"))
    assert found.rows == (("first", "near", ""), ("name", "2", "far"))
    monkeypatch.setattr(sheet_tables, "MAX_PLACES", 5)
    assert texts(read(tmp_path / "a.xlsx")) == ["first | near\nname | 2 | far"]


def test_an_open_spreadsheet_follows_the_same_rules(tmp_path):
    def line(*cells: str, about: str = "") -> str:
        inner = "".join(
            each
            if each.startswith("<")
            else f"<table:table-cell><text:p>{each}</text:p></table:table-cell>"
            for each in cells
        )
        return f"<table:table-row {about}>{inner}</table:table-row>"

    number = '<table:table-cell office:value-type="float" office:value="{0}"><text:p>{0}</text:p></table:table-cell>'
    merged = (
        '<table:table-cell table:number-rows-spanned="2"><text:p>Upper</text:p></table:table-cell>'
    )
    body = (
        '<table:table table:name="Crop"><table:table-column table:number-columns-repeated="3"/>'
        + line("Field", "Carts", "Sacks")
        + line(merged, number.format(41), number.format(52))
        + line("<table:covered-table-cell/>", number.format(43), number.format(54))
        + line("gone", about='table:visibility="collapse"')
        + '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row></table:table>'
        '<table:table table:name="Off" table:style-name="t"><table:table-row><table:table-cell><text:p>unseen</text:p>'
        "</table:table-cell></table:table-row></table:table>"
    )
    content = (
        f"<office:document-content {ODF_NAMES}><office:automatic-styles>"
        '<style:style style:name="t" style:family="table"><style:table-properties table:display="false"/></style:style>'
        f"</office:automatic-styles><office:body><office:spreadsheet>{body}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    document = read(pack(tmp_path / "a.ods", {"content.xml": content}))
    (found,) = tables(document)
    assert found.rows == (("Field", "Carts", "Sacks"), ("Upper", "41", "52"), ("Upper", "43", "54"))
    assert lost(document) == [
        ("hidden", 1, "in hidden rows of the sheet Crop"), ("hidden", 1, "in the hidden sheet Off"),
    ]  # fmt: skip


def test_every_word_of_an_ordinary_file_arrives(tmp_path):
    path = files.sheets(tmp_path / "a.xlsx")
    assert share_of_words(path, read(path, NO_OCR)) == 1


def xml_book(path, rows: str, *, styles: str = "", table: str = "", after: str = ""):
    """A workbook as Excel 2003 stored it as XML, read."""
    names = "urn:schemas-microsoft-com:office"
    path.write_text(
        f'<?xml version="1.0"?><Workbook xmlns="{names}:spreadsheet" xmlns:ss="{names}:spreadsheet">'
        f"<Styles>{styles}</Styles>"
        f'<Worksheet ss:Name="Dues"><Table>{table}{rows}</Table>{after}</Worksheet></Workbook>'
    )
    return read(path)


def xml_row(*cells: str, about: str = "") -> str:
    made = [each if each.startswith("<") else xml_cell(each) for each in cells]
    return f"<Row {about}>{''.join(made)}</Row>"


def xml_cell(value: str, kind: str = "String", about: str = "") -> str:
    return f'<Cell {about}><Data ss:Type="{kind}">{value}</Data></Cell>'


def xml_style(name: str, inside: str, about: str = "") -> str:
    return f'<Style ss:ID="{name}" {about}>{inside}</Style>'


@pytest.mark.parametrize(
    ("value", "kind", "form", "shown"),
    [
        ("0.25", "Number", "0%", "25%"),
        ("0.25", "Number", "Percent", "25.00%"),
        ("1234.5", "Number", "Standard", "1,234.50"),
        ("2024-03-14T00:00:00.000", "DateTime", "Short Date", "2024-03-14"),
        ("2024-03-14T00:00:00.000", "DateTime", "", "2024-03-14"),
        ("2024-03-14T15:30:00.000", "DateTime", "", "2024-03-14 15:30"),
        ("2024-03-14T00:00:00.000", "DateTime", "d mmmm yyyy", "14 March 2024"),
        ("1899-12-31T06:30:00.000", "DateTime", "h:mm", "6:30"),
        ("1", "Boolean", "", "TRUE"),
        ("007", "String", "0", "007"),
    ],
)
def test_a_workbook_stored_as_xml_shows_what_its_formats_show(tmp_path, value, kind, form, shown):
    told = f'<NumberFormat ss:Format="{form}"/>' if form else ""
    styles = xml_style("base", told) + xml_style("own", "", 'ss:Parent="base"')
    rows = xml_row("Good", "Share") + xml_row("Salt", xml_cell(value, kind, 'ss:StyleID="own"'))
    assert texts(xml_book(tmp_path / "a.xml", rows, styles=styles))[1:] == [
        f"Good | Share\nSalt | {shown}"
    ]


def test_what_nobody_sees_of_a_workbook_stored_as_xml_is_counted(tmp_path):
    styles = xml_style("white", '<Font ss:Color="#FFFFFF"/>')
    styles += xml_style(
        "blue", '<Interior ss:Color="#0000FF" ss:Pattern="Solid"/>', 'ss:Parent="white"'
    )
    white, blue = (xml_cell(name, about=f'ss:StyleID="{name}"') for name in ("white", "blue"))
    rows = xml_row("Good", "secret", blue) + xml_row("Salt", "secret", white)
    rows += xml_row("secret", about='ss:Hidden="1"')
    document = xml_book(
        tmp_path / "a.xml", rows, styles=styles, table='<Column ss:Index="2" ss:Hidden="1"/>'
    )
    assert texts(document) == ["Dues", "Good | blue\nSalt"]
    assert {detail for kind, _, detail in lost(document)} == {
        "in hidden columns of the sheet Dues",
        "in hidden rows of the sheet Dues",
        "in white on white in the sheet Dues",
    }
    options = "<WorksheetOptions><Visible>SheetHidden</Visible></WorksheetOptions>"
    with pytest.raises(SourceEmpty):
        xml_book(tmp_path / "b.xml", xml_row("secret"), after=options)


def test_cells_of_a_workbook_stored_as_xml_stand_at_their_places(tmp_path):
    rows = (
        xml_row(
            xml_cell("Ship", about='ss:MergeDown="1"'), xml_cell("2024", about='ss:MergeAcross="1"')
        )
        + xml_row("Plan", "Real")
        + xml_row("Swan", xml_cell("3", "Number"), '<Cell ss:Formula="=RC[-1]*2"/>')
        + xml_row(xml_cell("9", "Number", 'ss:Index="2"'), about='ss:Index="9"')
    )
    comment = '<Comment ss:Author="Ada"><ss:Data>late</ss:Data></Comment></Cell>'
    document = xml_book(tmp_path / "a.xml", rows.replace("</Cell>", comment, 1))
    assert texts(document)[1:3] == [
        "Ship | 2024 | 2024\nShip | Plan | Real\nSwan | 3 | =RC[-1]*2\n| 9",
        "Comment by Ada: late",
    ]
    assert tables(document)[0].header_rows == 2
    assert any("Formulas without a stored value: 1" in each for each in document.warnings)


def test_letters_of_a_point_are_out_of_excel_files_and_counted(tmp_path):
    path = tmp_path / "a.xlsx"
    made = book(path, ["Good", "Tons"], ["Rye", 31], ["secret"])
    made.active["A3"].font = Font(size=1)
    made.save(path)
    document = read(path, NO_OCR)
    assert texts(document) == ["Good | Tons\nRye | 31"]
    assert lost(document) == [("hidden", 1, "in letters of one point or less in the sheet Sheet")]
    styles = xml_style("dot", '<Font ss:Size="1"/>')
    rows = xml_row("Rye", xml_cell("secret", about='ss:StyleID="dot"'))
    assert "secret" not in "".join(texts(xml_book(tmp_path / "a.xml", rows, styles=styles)))


def test_letters_that_nobody_can_see_are_out_of_open_spreadsheets_and_counted(tmp_path):
    def style(name: str, inside: str) -> str:
        return f'<style:style style:name="{name}" style:family="table-cell">{inside}</style:style>'

    white = '<style:text-properties fo:color="#ffffff"/>'
    blue = '<style:table-cell-properties fo:background-color="#0000ff"/>'
    dot = '<style:text-properties fo:font-size="1pt"/>'
    cells = (("white", "secret"), ("blue", "seen"), ("dot", "secret"), ("", "plain"))
    row = "".join(
        f'<table:table-cell table:style-name="{name}"><text:p>{text}</text:p></table:table-cell>'
        for name, text in cells
    )
    content = (
        f"<office:document-content {ODF_NAMES}><office:automatic-styles>{style('white', white)}"
        f"{style('blue', white + blue)}{style('dot', dot)}</office:automatic-styles><office:body><office:spreadsheet>"
        f'<table:table table:name="Crop"><table:table-row>{row}</table:table-row></table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    document = read(pack(tmp_path / "a.ods", {"content.xml": content}))
    assert texts(document) == ["Crop", "seen | plain"]
    assert lost(document) == [
        ("hidden", 1, "in white on white in the sheet Crop"),
        ("hidden", 1, "in letters of one point or less in the sheet Crop"),
    ]
