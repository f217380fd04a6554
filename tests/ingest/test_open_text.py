"""What stands in an OpenDocument text is what is read."""

import pytest

from ingest.elements import ParseOptions
from tests.ingest.office_xml import lost, open_text, read, share_of_words, table, texts


def test_notes_stand_after_their_paragraph_and_do_not_break_it(tmp_path):
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>'
        "<text:p>Members pay half.</text:p></text:note-body></text:note>"
    )
    path = open_text(
        tmp_path / "a.odt",
        f"<text:p>The fee is 99 crowns{note} a year.</text:p><text:p>End.</text:p>",
    )
    document = read(path)
    assert texts(document) == [
        "The fee is 99 crowns a year.",
        "Footnote: Members pay half.",
        "End.",
    ]
    assert share_of_words(path, document) == 1


def test_deletions_and_hidden_text_are_out_and_counted(tmp_path):
    styles = '<style:style style:name="T1" style:family="text"><style:text-properties text:display="none"/></style:style>'
    changes = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>The lamp costs 77.</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
    )
    body = (
        changes
        + '<text:p>Seen<text:span text:style-name="T1">obey the mole</text:span> all.</text:p>'
    )
    path = open_text(tmp_path / "a.odt", body, styles)
    document = read(path)
    assert texts(document) == ["Seen all."]
    assert lost(document) == [
        ("hidden", 4, "in tracked deletions"),
        ("hidden", 3, "in hidden characters"),
    ]
    kept = read(path, ParseOptions(ocr=False, hidden_text="mark"))
    assert "[hidden text: obey the mole]" in texts(kept)[0]


def test_tables_keep_merged_cells_and_their_header_rows(tmp_path):
    def line(*cells: str) -> str:
        return f"<table:table-row>{''.join(cells)}</table:table-row>"

    def cell(text: str, about: str = "") -> str:
        return f"<table:table-cell {about}><text:p>{text}</text:p></table:table-cell>"

    covered = "<table:covered-table-cell/>"
    body = (
        "<table:table><table:table-header-rows>"
        + line(
            cell("Street", 'table:number-rows-spanned="2"'),
            cell("Lamps", 'table:number-columns-spanned="2"'),
            covered,
        )
        + line(covered, cell("Gas"), cell("Oil"))
        + "</table:table-header-rows>"
        + line(cell("Lane"), cell("12"), cell("23"))
        + "</table:table>"
    )
    found = table(read(open_text(tmp_path / "a.odt", body))).table
    assert found
    assert found.rows == (
        ("Street", "Lamps", "Lamps"),
        ("Street", "Gas", "Oil"),
        ("Lane", "12", "23"),
    )
    assert found.header_rows == 2


def test_headings_lists_signs_and_margins(tmp_path):
    body = (
        '<text:h text:outline-level="2">Lamps</text:h><text:list><text:list-item><text:p>One<text:tab/>two<text:s/>'
        "three</text:p></text:list-item></text:list>"
    )
    around = (
        '<office:master-styles><style:master-page style:name="S"><style:header><text:p>Mill rules</text:p></style:header>'
        "</style:master-page></office:master-styles>"
    )
    document = read(open_text(tmp_path / "a.odt", body, around=around))
    assert [(each.kind, each.level, each.text) for each in document.elements] == [
        ("heading", 2, "Lamps"), ("list", 0, "One\ttwo three"), ("text", 0, "Mill rules"),
    ]  # fmt: skip


_LOOKS = (
    '<style:style style:name="W" style:family="text"><style:text-properties fo:color="#ffffff"/></style:style>'
    '<style:style style:name="B" style:family="text" style:parent-style-name="W">'
    '<style:text-properties fo:background-color="#0000ff"/></style:style>'
    '<style:style style:name="D" style:family="text"><style:text-properties fo:font-size="1pt"/></style:style>'
    '<style:style style:name="P" style:family="paragraph"><style:text-properties fo:color="#FFFFFF"/></style:style>'
    '<style:style style:name="F" style:family="paragraph" style:parent-style-name="P">'
    '<style:paragraph-properties fo:background-color="#000000"/></style:style>'
)
_PAGE = (
    "<office:automatic-styles><style:page-layout><style:page-layout-properties {}/></style:page-layout>"
    "</office:automatic-styles>"
)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            '<text:p>Seen<text:span text:style-name="W"> the mole</text:span></text:p>',
            "in white on white",
        ),
        ('<text:p>Seen</text:p><text:p text:style-name="P">the mole</text:p>', "in white on white"),
        (
            '<text:p>Seen<text:span text:style-name="D"> the mole</text:span></text:p>',
            "in letters of one point or less",
        ),
    ],
)
def test_letters_that_nobody_can_see_are_out_and_counted(tmp_path, body, why):
    around = _PAGE.format('fo:background-color="#ffffff"')
    document = read(open_text(tmp_path / "a.odt", body, _LOOKS, around))
    assert texts(document) == ["Seen"]
    assert lost(document) == [("hidden", 2, why)]


@pytest.mark.parametrize(
    ("body", "page"),
    [
        ('<text:p><text:span text:style-name="B">seen</text:span></text:p>', ""),
        ('<text:p text:style-name="F">seen</text:p>', ""),
        ('<text:p text:style-name="P">seen</text:p>', 'fo:background-color="#204060"'),
        (
            '<text:p><draw:frame><draw:text-box><text:p text:style-name="P">seen</text:p></draw:text-box>'
            "</draw:frame></text:p>",
            "",
        ),
    ],
)
def test_white_letters_on_a_colour_are_seen(tmp_path, body, page):
    document = read(open_text(tmp_path / "a.odt", body, _LOOKS, _PAGE.format(page)))
    assert texts(document) == ["seen"]
    assert not lost(document)
