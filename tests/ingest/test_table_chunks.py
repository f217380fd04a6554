"""How tables are cut: no row without its header, values said in words, rows quoted as rows."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.testing import HashingEmbedder
from ingest.chunking import chunk
from ingest.elements import Element, Parsed, Table
from ingest.partition.tables import make_table
from ingest.table_groups import find_groups
from tests.growth import assert_grows_in_proportion

CASH_FLOW = (
    ("", "2018", "2017"),
    ("Purchases of property, plant and equipment", "1,577", "1,400"),
    ("Dividends paid", "25", ""),
)
LEVELS = (("", "2018", "2018", "2017"), ("Region", "Plan", "Actual", "Actual"))


def cut(*elements: Element, title: str = "Report", tokens: int = 64):
    parsed = Parsed(
        title=None, elements=elements, media_type="text/plain", language=None, page_kind=None
    )
    return chunk(parsed, title, HashingEmbedder(), tokens)


def heading(text: str, level: int = 1) -> Element:
    return Element(kind="heading", text=text, level=level)


def text(body: str) -> Element:
    return Element(kind="text", text=body)


def long_table(rows: int = 60, **more) -> Element:
    body = [(f"Region {n}", f"{n}1", f"{n}2", f"{n}3") for n in range(rows)]
    return make_table([*LEVELS, *body], header_rows=2, **more)


def test_what_is_embedded_names_every_value_and_what_is_quoted_stays_the_row():
    table = make_table(CASH_FLOW, header_columns=1, notes=["millions of dollars"])
    _, (one,) = cut(table)
    assert "Purchases of property, plant and equipment: 2018: 1,577; 2017: 1,400" in one.embedded
    assert "Dividends paid: 2018: 25\n" in one.embedded + "\n"
    assert "millions of dollars" in one.embedded
    assert "Purchases of property, plant and equipment | 1,577 | 1,400" in one.text
    assert " | " not in one.embedded


def test_several_header_levels_are_joined_in_front_of_each_value():
    table = long_table(3)
    _, (one,) = cut(table, tokens=128)
    assert "Region: Region 1; 2018 Plan: 11; 2018 Actual: 12; 2017 Actual: 13" in one.embedded


def test_every_part_of_a_long_table_has_caption_notes_and_all_header_rows():
    table = long_table(caption="Table 4. Sales by region", notes=["in thousands of euros"])
    whole, chunks = cut(heading("Sales"), table)
    above = "Table 4. Sales by region\nin thousands of euros\n | 2018 | 2018 | 2017\n".replace(
        "\n |", "\n|"
    )
    assert len(chunks) > 5
    assert chunks[0].header == ""
    for one in chunks[1:]:
        assert one.header == above + "Region | Plan | Actual | Actual"
        assert "Table 4. Sales by region" in one.embedded
        assert "in thousands of euros" in one.embedded
    for number in range(60):
        said = f"Region: Region {number}; 2018 Plan: {number}1; 2018 Actual: {number}2; 2017 Actual: {number}3"
        assert sum(said in one.embedded for one in chunks) == 1
    assert whole.count("Region | Plan") == 1


def test_no_chunk_begins_or_ends_inside_a_row_that_fits():
    table = long_table()
    lines = set(table.text.split("\n"))
    for tokens in (48, 64, 100):
        _, chunks = cut(table, title="", tokens=tokens)
        assert all(line in lines for one in chunks for line in one.text.split("\n"))


def test_a_chunk_tells_where_its_tables_stand_and_where_their_rows_begin():
    whole, chunks = cut(text("Before it."), long_table(12), text("After it."))
    marks = [mark for one in chunks for mark in one.tables]
    assert (
        whole[marks[0].start : marks[0].body].split("\n")[-2] == "Region | Plan | Actual | Actual"
    )
    assert all(
        one.start <= mark.start <= mark.body <= mark.end <= one.end
        for one in chunks
        for mark in one.tables
    )
    assert all(mark.start == mark.body for one in chunks[1:] for mark in one.tables)
    assert not cut(text("No table here."))[1][0].tables


def test_a_row_longer_than_a_chunk_is_cut_between_cells_each_with_label_and_header():
    columns = [f"Measure {n}" for n in range(40)]
    table = make_table([["Country", *columns], ["Norway", *(f"{n}.5" for n in range(40))]])
    _, chunks = cut(table)
    assert len(chunks) > 2
    for number in range(40):
        held = [one for one in chunks if f"Measure {number}: {number}.5" in one.embedded]
        assert len(held) == 1
        assert "Country: Norway" in held[0].embedded
    inside = next(one for one in chunks if one.text.startswith("1") and "Country" not in one.text)
    values = [cell.removesuffix(" |") for cell in inside.text.split(" | ")]
    assert inside.header.split("\n") == [
        "Norway",
        " | ".join(f"Measure {value.removesuffix('.5')}" for value in values),
    ]


def test_a_cell_longer_than_a_chunk_keeps_its_label_and_its_header():
    table = make_table([["Name", "Duties"], ["Ann", "keeps the books. " * 60], ["Bo", "cooks"]])
    _, chunks = cut(table)
    parts = [one for one in chunks if "keeps the books" in one.text]
    assert len(parts) > 2
    assert all("Name: Ann" in one.embedded and "Duties: " in one.embedded for one in parts)


def test_empty_cells_are_not_said():
    rows = [["Item", *(f"Month {n}" for n in range(12))], ["Rent", *[""] * 11, "700"]]
    _, (one,) = cut(make_table(rows))
    assert one.embedded.endswith("Item: Rent; Month 11: 700")


@pytest.mark.parametrize(
    "table",
    [
        make_table([["a", "b"], ["c", "d"]], header_rows=0),
        make_table([["Only"], ["one"], ["column"]], header_rows=1),
        make_table([["word " * 40, "other " * 40], ["1", "2"]], header_rows=1),
        make_table(
            [
                ["", *["A rather long header of a column"] * 8],
                ["x", *"12345678"],
                ["y", *"12345678"],
            ],
            header_rows=1,
        ),
        make_table([["Total", "", ""], ["x", "1", "2"]], header_rows=1),
        make_table([["", "Winter", "", "Summer"], ["a", "1", "2", "3"]], header_rows=1),
        make_table([["", "Winter", "Winter"], ["a", "1", "2"]], header_rows=1),
    ],
    ids=["none", "one column", "paragraphs", "much longer", "no values", "a gap", "two alike"],
)
def test_rows_stay_rows_if_prose_says_nothing_more_or_takes_too_long(table):
    _, chunks = cut(table, tokens=200, title="T")
    assert "\n".join(one.text for one in chunks) == table.text
    assert all(one.text in one.embedded for one in chunks)


def test_rows_that_stay_rows_carry_their_header_too():
    head = ["Longer than its values are", *["A rather long header of a column"] * 4]
    table = make_table(
        [head, *([str(n), *"1234"] for n in range(60))], header_rows=1, caption="Codes"
    )
    _, chunks = cut(table, tokens=128)
    assert len(chunks) > 3
    assert all(" | ".join(head) in one.embedded for one in chunks)
    assert all(one.header == "Codes\n" + " | ".join(head) for one in chunks[1:])


def test_the_headers_are_named_once_before_the_rows_of_every_part():
    _, chunks = cut(long_table())
    for one in chunks:
        assert one.embedded.index("2017 Actual") < one.embedded.index("Region: Region")
        assert one.embedded.count("Region, 2018 Plan, 2018 Actual, 2017 Actual\n") == 1


def test_keyword_search_reads_rows_with_their_header_once_and_not_with_every_value():
    _, chunks = cut(heading("Sales"), long_table(caption="Table 4"))
    for one in chunks[1:]:
        assert one.words == f"Report > Sales\n{one.header}\n{one.text}"
    assert cut(text("No table."))[1][0].words == ""


def test_a_title_over_the_whole_table_is_said_once_and_not_with_every_value():
    rows = [["Budget 2020", "", ""], ["", "Plan", "Actual"], ["Rent", "7", "8"], ["Fuel", "1", "2"]]
    _, (one,) = cut(make_table(rows, header_rows=2))
    assert one.embedded.count("Budget 2020") == 1
    assert "Rent: Plan: 7; Actual: 8" in one.embedded


def test_a_row_that_is_merged_over_all_columns_is_said_once():
    rows = [["Item", "Plan", "Actual"], ["Housing"] * 3, ["Rent", "7", "8"]]
    _, (one,) = cut(make_table(rows, spans=[(1, 0, 1, 3)]))
    assert one.embedded.count("Housing") == 1


def test_a_bar_in_a_cell_is_a_bar_in_what_is_embedded_and_marked_in_the_text():
    _, (one,) = cut(make_table([["Name", "Sign"], ["pipe", "a|b"]]))
    assert "Sign: a|b" in one.embedded
    assert "pipe | a\\|b" in one.text


def test_a_table_between_paragraphs_shares_their_chunk():
    _, (one,) = cut(
        text("Prices follow."), make_table(CASH_FLOW, header_columns=1), text("So much.")
    )
    assert one.embedded.startswith("Report\nPrices follow.\n\n2018, 2017\nPurchases")
    assert one.embedded.endswith("Dividends paid: 2018: 25\n\nSo much.")


def test_an_endless_header_leaves_room_for_rows():
    table = long_table(
        60, caption="A caption that goes on. " * 40, notes=["A note that goes on. " * 40]
    )
    _, chunks = cut(table)
    assert all(len(one.header) <= 2_000 for one in chunks)
    assert all("2018 Plan: 301" in one.embedded for one in chunks if "Region 30 |" in one.text)


cells = (
    st.text(alphabet="ab é你1.,|:;-…\U0001f600", max_size=12)
    | st.just("")
    | st.just("long words " * 30)
)


@st.composite
def tables(draw):
    width = draw(st.integers(1, 6))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8))
    return make_table(
        rows,
        header_rows=draw(st.none() | st.integers(0, len(rows))),
        header_columns=draw(st.integers(0, width)),
        caption=draw(cells),
        notes=draw(st.lists(cells, max_size=2)),
    )


@settings(max_examples=200, deadline=None)
@given(
    found=st.lists(tables() | st.just(text("A paragraph. " * 9)), max_size=4),
    tokens=st.integers(24, 200),
)
def test_every_cell_is_in_one_chunk_and_what_is_embedded_fits(found, tokens):
    whole, chunks = cut(*found, tokens=tokens)
    squeezed = "".join(whole.split())
    assert "".join("".join(one.text.split()) for one in chunks) == squeezed
    assert all(one.text == whole[one.start : one.end] for one in chunks)
    counts = HashingEmbedder().count([one.embedded for one in chunks])
    assert all(count <= tokens for count in counts)
    for one in chunks:
        said = set(re.findall(r"\w+", one.embedded))
        assert set(re.findall(r"\w+", "\n".join(
            one.text[mark.body - one.start : mark.end - one.start] for mark in one.tables
        ))) <= said  # fmt: skip


@st.composite
def named_grids(draw):
    """(header rows, rows): every cell says where it stands; some are empty, repeated or long."""
    width = draw(st.integers(1, 9))
    levels = draw(st.integers(0, 3))
    empty = draw(st.lists(st.integers(0, width - 1), max_size=2))
    more = draw(st.sampled_from(["", " w1 w2 w3", " a | b"]))

    def cell(name: str, column: int) -> str:
        left_out = column in empty or draw(st.integers(0, 4)) == 0
        return "" if left_out else f"{name}x{column}{more}"

    heads = [
        [cell(f"H{n}", column - column % (levels - n)) for column in range(width)]
        for n in range(levels)
    ]
    rows = [
        [cell(f"V{n}", column) for column in range(width)]
        for n in range(draw(st.integers(1, 5)))
    ]  # fmt: skip
    return heads, rows


def cells_of(line: str) -> list[str]:
    line = f" {line}" if line.startswith("|") else line
    return [cell.replace("\\|", "|").strip() for cell in line.removesuffix(" |").split(" | ")]


@settings(max_examples=150, deadline=None)
@given(
    grid=named_grids(), tokens=st.sampled_from([64, 90, 256]), columns=st.integers(0, 1)
)  # fmt: skip
def test_no_value_is_shown_or_said_under_the_header_of_another_column(grid, tokens, columns):
    heads, rows = grid
    if not any(map(any, rows)):
        return
    _, chunks = cut(
        make_table([*heads, *rows], header_rows=len(heads), header_columns=columns), tokens=tokens
    )
    shown = set()
    for one in chunks:
        lines = [cells_of(line) for line in (*one.header.split("\n"), *one.text.split("\n"))]
        above = [line for line in lines if any(cell.startswith("H") for cell in line)]
        for line in lines[one.header.count("\n") + 1 :]:
            for place, value in enumerate(line):
                if not re.match(r"V\d+x\d+", value):
                    continue
                shown.add(value)
                column = int(re.split(r"x|\W", value)[1])
                names = [row[place] for row in above if place < len(row) and row[place]]
                wanted = [row[column] for row in heads if row[column]]
                assert names == wanted, (value, one)
        for part in re.split(r"; |\n", one.embedded):
            *names, value = re.findall(r"[HV]\d+x\d+", part)[-2:] or [""]
            if ": V" in part and names and names[0].startswith("H"):
                column = int(value.split("x")[1])
                assert any(row[column].startswith(names[0]) for row in heads), (part, one)
    assert shown == {value for row in rows for value in row if value}


# --- groups of rows -----------------------------------------------------------------------------

BALANCE = [
    ("", "2018", "2017"),
    ("Assets", "", ""),
    ("Current assets", "", ""),
    *((f"Deposit {n}", f"{n},100", f"{n},050") for n in range(12)),
    ("Total current assets", "9,100", "8,050"),
    ("Goodwill", "77", "70"),
    *((f"Building {n}", f"{n},900", f"{n},800") for n in range(12)),
    ("Total assets", "99,100", "98,050"),
    ("Remarks", "1", "2"),
]


def groups_above(chunks, row: str) -> list[str]:
    """Lines of the header of the chunk with this row that are not column headers or captions."""
    (one,) = [one for one in chunks if row in one.text.splitlines()]
    inside = one.text.splitlines()
    stands = inside[: inside.index(row)]
    return [line for line in (*one.header.splitlines(), *stands) if " | " not in line]


def test_a_row_that_names_the_rows_below_it_goes_with_each_part_of_them():
    table = make_table(BALANCE, header_rows=1, header_columns=1)
    _, chunks = cut(table)
    assert len(chunks) > 3
    for n in range(12):
        assert groups_above(chunks, f"Deposit {n} | {n},100 | {n},050") == [
            "Assets",
            "Current assets",
        ]
    for one in chunks:
        if "Deposit 9 |" in one.text and "Current assets" not in one.text:
            assert "Current assets" in one.embedded
            break
    else:
        raise AssertionError("no part begins inside the group")


def test_a_group_ends_with_its_total():
    _, chunks = cut(make_table(BALANCE, header_rows=1, header_columns=1))
    for one in chunks:
        if "Building 5 |" in one.text:
            assert "Assets" in (*one.header.splitlines(), *one.text.splitlines())
            assert "Current assets" not in one.header
        if one.text.startswith("Remarks"):
            assert "Assets" not in one.header


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        ([("a", "1"), ("Sales", ""), ("b", "2"), ("c", "3")], [(), (), (1,), (1,)]),
        ([("Sales", ""), ("b", "2"), ("Costs", ""), ("c", "3")], [(), (0,), (), (2,)]),
        ([("Sales", ""), ("b", "2"), ("", ""), ("c", "3"), ("d", "4")], [(), (0,), (), ()]),
        ([("Sales", ""), ("", ""), ("b", "2"), ("c", "3")], [(), (0,), (0,)]),
        ([("Assets", ""), ("Cash", ""), ("b", "2"), ("合计", "3"), ("c", "3"), ("小计", "4"), ("d", "5"),
          ("e", "6")], [(), (0,), (0, 1), (0, 1), (0,), (0,), (), ()]),
        ([("North", "North"), ("b", "yes"), ("c", "no")], [(), (0,), (0,)]),
        # a person without a telephone is no heading of the persons below
        ([("Ann", "ann@x"), ("Bob", ""), ("Cy", "cy@x"), ("Di", "di@x")], [(), (), (), ()]),
        ([("Ann", ""), ("Bob", ""), ("Cy", "7"), ("Di", "")], [(), (), (), ()]),
        ([("x" * 101, ""), ("b", "2"), ("c", "3")], [(), (), ()]),
    ],
)  # fmt: skip
def test_which_rows_name_others(rows, groups):
    table = Table(rows=tuple(rows))
    numbers = [number for number, row in enumerate(rows) if any(row)]
    assert find_groups(table, numbers, 1) == groups


def test_rows_of_a_very_wide_table_are_cut_so_that_each_value_has_its_header():
    table = make_table(
        [[f"Column number {n}" for n in range(300)], [f"{n}.5" for n in range(300)]], header_rows=1
    )
    _, chunks = cut(table)
    for number in range(1, 300):
        (said,) = [one for one in chunks if f"Column number {number}: {number}.5" in one.embedded]
        heads, values = cells_of(said.header.split("\n")[-1]), cells_of(said.text)
        assert values[heads.index(f"Column number {number}")] == f"{number}.5"


def test_a_part_of_a_row_keeps_the_places_of_columns_without_a_header():
    table = make_table(
        [["Country", "Sales", "", "Costs"], ["Norway", "sold, " * 60, "or not", "7"], ["Chad"]],
        header_rows=1,
    )
    _, chunks = cut(table)
    (last,) = [one for one in chunks if one.text.endswith("| 7")]
    heads, values = cells_of(last.header.split("\n")[-1]), cells_of(last.text)
    assert heads.index("Costs") == values.index("7") == heads.index("") + 1
    assert last.header.startswith("Norway\n")
    assert "Chad" not in last.text


@pytest.mark.slow
def test_time_for_a_row_grows_with_its_cells_and_not_faster():
    def cut_row(cells: int) -> None:
        cut(make_table([[f"Column number {n}" for n in range(cells)], ["1"] * cells]), tokens=256)

    assert_grows_in_proportion(cut_row, 1_500)


@pytest.mark.slow
def test_time_for_a_table_grows_with_its_rows_and_not_faster():
    def cut_rows(count: int) -> None:
        rows = ((f"n{i}", "Rome", str(i)) for i in range(count))
        cut(make_table([("Name", "City", "Sum"), *rows]), tokens=256)

    assert_grows_in_proportion(cut_rows, 2_500)
