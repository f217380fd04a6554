"""Text formats, archives and files whose names tell something else: what becomes of each."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest

from indexes.errors import SourceBroken, SourceError, SourceRefused
from ingest.elements import ParseOptions
from ingest.partition.text import parse_code, parse_paragraphs
from tests.growth import assert_grows_in_proportion
from tests.ingest.completeness import share_of_words, text_of
from tests.ingest.parsing import NO_OCR, headings, kinds, losses, parsed

# --- content decides ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "media_type", "warns"),
    [
        ("a.xls", "<html><table><tr><td>k<td>v</table>", "text/html", True),
        ("a.xls", "k\tv\n1\t2\n", "text/tab-separated-values", True),
        ("a.xls", "k;v\n1;2\n", "text/csv", True),
        ("a.doc", "<html><p>words</p>", "text/html", True),
        ("a.doc", rb"{\rtf1 words\par}", "application/rtf", True),
        ("a.docx", "just some words", "text/plain", True),
        ("a.pdf", "<!DOCTYPE html><p>error page</p>", "text/html", True),
        ("a.csv", "<html><p>error page</p>", "text/html", True),
        ("a.txt", "<html><p>about pages</p>", "text/plain", False),
        ("a.md", "The header is %PDF-1.7 and then objects.", "text/markdown", False),
        ("README", "Read me first.", "text/plain", False),
        ("notes.bak", "Some words.", "text/plain", False),
        ("page", "<!doctype html><p>words</p>", "text/html", False),
        ("data", '{"a": "words"}', "application/json", False),
        ("lines", '{"a": "x"}\n{"a": "y"}\n', "application/x-ndjson", False),
        ("feed", "<?xml version='1.0'?><rss><title>words</title></rss>", "application/xml", False),
        ("letter", "From: a@x\nSubject: words\n\nbody\n", "message/rfc822", False),
        ("call", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:words\nEND:VEVENT\nEND:VCALENDAR\n", "text/calendar", False),
        ("who", "BEGIN:VCARD\nFN:words\nEND:VCARD\n", "text/vcard", False),
        ("run", "#!/bin/sh\necho words\n", "text/x-source", False),
        ("table", "a,b,c\n1,2,3\n4,5,6\n", "text/csv", False),
        ("prose", "First, we went home, and ate.\nThen we slept.\nLast, nothing.\n", "text/plain", False),
        ("rich", rb"{\rtf1 words\par}", "application/rtf", False),
    ],
)  # fmt: skip
def test_content_decides_and_a_name_that_tells_otherwise_is_told(
    tmp_path, name, content, media_type, warns
):
    document = parsed(tmp_path / name, content)
    assert document.media_type == media_type
    assert bool(document.warnings) == warns


@pytest.mark.parametrize(
    "name", ["noise", "noise.txt", "noise.json", "noise.zip", "noise.xyz", "a.exe"]
)
def test_bytes_that_are_no_document_stay_out_whatever_their_name(tmp_path, name):
    with pytest.raises(SourceError):
        parsed(tmp_path / name, bytes((n * 73 + 41) % 256 for n in range(4_000)))


# --- data -----------------------------------------------------------------------------------------


def test_json_keeps_every_value_beside_its_keys(tmp_path):
    data = {
        "depot": "Weir",
        "open": True,
        "none": None,
        "tags": ["a", "b"],
        "deep": {"list": [{"x": {"y": "z"}}, [1]]},
    }
    text = json.dumps(data)[:-1] + ', "rate": 1.10, "depot": "twice", "big": 12345678901234567890}'
    assert text_of(parsed(tmp_path / "a.json", text)).split("\n") == [
        "depot: Weir", "open: true", "none: null", "tags: a, b", "deep > list > 1 > x > y: z",
        "deep > list > 2: 1", "rate: 1.10", "depot (2): twice", "big: 12345678901234567890",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_records_of_one_shape_are_a_table(tmp_path, ending):
    rows = [
        {"name": "Oak", "long": 4},
        {"name": "Ash", "wide": 2},
        {"name": "Elm", "long": 3, "wide": 1},
    ]
    text = json.dumps(rows) if ending == "json" else "\n".join(map(json.dumps, rows))
    (table,) = parsed(tmp_path / f"a.{ending}", text).elements
    assert table.table is not None
    assert table.table.rows == (
        ("name", "long", "wide"),
        ("Oak", "4", ""),
        ("Ash", "", "2"),
        ("Elm", "3", "1"),
    )
    assert table.table.header_rows == 1


@pytest.mark.parametrize(
    ("ending", "text"),
    [("json", '{"a": "one", // two\n}'), ("json", '["one' + "[" * 50_000 + "two"), ("yaml", "a: [one\ntwo: }"),
     ("xml", "<a>one<b>two</a>"), ("jsonl", '{"a": "one"}\nnot json two\n'), ("ipynb", '{"one": "two",}')],
)  # fmt: skip
def test_data_that_breaks_its_rules_is_read_as_text_and_told(tmp_path, ending, text):
    document = parsed(tmp_path / f"a.{ending}", text)
    assert share_of_words(document, "one two") == 1.0
    assert document.warnings


def test_values_nested_as_deep_as_a_parser_goes_are_read(tmp_path):
    document = parsed(tmp_path / "a.json", '{"a":' * 400 + '"deep words"' + "}" * 400)
    assert share_of_words(document, "deep words") == 1.0


def test_yaml_keeps_comments_and_values_as_they_are_written(tmp_path):
    text = (
        "# top\ndepot: Mill # why\nversion: 1.10\nno: NO\nrules:\n  - carts only\n  - dogs\ntext: |\n  one # no comment\n"
        "  two\nbase: &b\n  k: v\nmore: *b\nflow: {x: 1, y: [2, 3]}\nempty: []\n---\nsecond: !tag doc\n"
    )
    document = parsed(tmp_path / "a.yaml", text)
    assert text_of(document).split("\n") == [
        "# top", "depot: Mill", "# why", "version: 1.10", "no: NO", "rules: carts only", "rules: dogs", "text:",
        "one # no comment", "two", "base > k: v", "more: the same as in line 11", "flow > x: 1", "flow > y: 2",
        "flow > y: 3", "empty:", "second: doc",
    ]  # fmt: skip


def test_yaml_that_grows_without_end_stays_small(tmp_path):
    text = "a: &a [x, y]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert len(text_of(parsed(tmp_path / "a.yaml", text))) < 10_000


@pytest.mark.parametrize("ending", ["toml", "ini", "conf", "properties"])
def test_settings_keep_their_lines_below_their_sections(tmp_path, ending):
    document = parsed(tmp_path / f"a.{ending}", "# first\nkey = 1\n[owner] # who\nname = Ada\n")
    assert kinds(document) == [
        ("code", "# first\nkey = 1"),
        ("heading", "owner"),
        ("code", "# who\nname = Ada"),
    ]
    assert document.title is None


def test_xml_records_are_a_table_and_mixed_text_is_paragraphs(tmp_path):
    rows = "<list><!-- note --><item id='1'><name>Oak</name></item><item id='2'><name>Ash</name></item></list>"
    assert kinds(parsed(tmp_path / "a.xml", rows)) == [
        ("table", "list > item\nid | name\n1 | Oak\n2 | Ash"), ("text", "# note"),
    ]  # fmt: skip
    book = "<!DOCTYPE b [<!ENTITY co 'Acme'>]><b><title>T</title><p>Mixed <i>bold</i> &co; text.</p></b>"
    assert kinds(parsed(tmp_path / "b.xml", book)) == [
        ("heading", "T"),
        ("text", "Mixed bold Acme text."),
    ]


def test_xml_reads_no_other_file(tmp_path):
    (tmp_path / "secret.txt").write_text("top secret")
    text = (
        f"<!DOCTYPE a [<!ENTITY x SYSTEM '{tmp_path / 'secret.txt'}'>]><a><b>words</b>&x; end</a>"
    )
    assert "top secret" not in text_of(parsed(tmp_path / "a.xml", text))


def test_a_workbook_stored_as_xml_is_its_sheets(tmp_path):
    names = 'xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"'
    rows = (
        '<Row><Cell ss:MergeAcross="1"><Data ss:Type="String">Fares</Data></Cell></Row>'
        '<Row><Cell><Data>a</Data></Cell><Cell ss:Index="3"><Data>c</Data></Cell></Row>'
    )
    text = f'<?xml version="1.0"?><Workbook {names}><Worksheet ss:Name="Sum"><Table>{rows}</Table></Worksheet></Workbook>'
    document = parsed(tmp_path / "a.xls", text)
    assert kinds(document) == [("heading", "Sum"), ("table", "Fares\na | c")]


def test_a_table_in_a_cell_of_word_xml_gives_each_figure_its_header(tmp_path):
    def row(*cells: str) -> str:
        made = (
            each if "<" in each else f"<w:p><w:r><w:t>{each}</w:t></w:r></w:p>" for each in cells
        )
        return f"<w:tr>{''.join(f'<w:tc>{each}</w:tc>' for each in made)}</w:tr>"

    inner = f"<w:tbl>{row('Good', 'Tons')}{row('Rye', '31')}</w:tbl>"
    name = "http://schemas.microsoft.com/office/word/2003/wordml"
    body = f"<w:tbl>{row('Ship', 'Load')}{row('Swan', inner)}</w:tbl>"
    text = f'<?xml version="1.0"?><w:wordDocument xmlns:w="{name}"><w:body>{body}</w:body></w:wordDocument>'
    document = parsed(tmp_path / "a.xml", text)
    assert kinds(document) == [("table", "Ship | Load\nSwan | Good: Rye, Tons: 31")]


FRAME = "<table><tr><th>k<th>v<tr><td>a<td>1</table>"


def test_a_notebook_is_its_cells_and_results(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Rain\n", "April."]},
        {"cell_type": "code", "source": "mean = 42", "outputs": [
            {"output_type": "stream", "text": ["wet\n"]},
            {"output_type": "execute_result", "data": {"text/html": FRAME, "text/plain": "k v"}},
            {"output_type": "error", "ename": "E", "evalue": "bad", "traceback": ["\x1b[31mE: bad\x1b[0m"]},
            {"output_type": "display_data", "data": {"image/png": "AA"}},
        ]},
    ]  # fmt: skip
    document = parsed(tmp_path / "a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    assert kinds(document) == [
        ("heading", "Rain"), ("text", "April."), ("code", "mean = 42"), ("code", "wet"),
        ("table", "k | v\na | 1"), ("code", "E: bad"),
    ]  # fmt: skip
    assert losses(document) == ["1 picture was not read: among the results of the code."]


def test_records_with_an_amount_and_its_currency_are_a_table(tmp_path):
    orders = "".join(
        f'<o:order id="{n}"><o:good>{good}</o:good><o:price cur="{cur}">{price}</o:price></o:order>'
        for n, good, cur, price in ((7, "Salt", "EUR", 14), (8, "Rice", "USD", 27))
    )
    (element,) = parsed(tmp_path / "a.xml", f'<o:orders xmlns:o="u">{orders}</o:orders>').elements
    assert element.table is not None
    assert element.table.rows == (
        ("id", "good", "price > cur", "price > text"),
        ("7", "Salt", "EUR", "14"),
        ("8", "Rice", "USD", "27"),
    )


def test_a_log_with_room_that_was_not_filled_is_text(tmp_path):
    log = b"first line of the log\0\0\0\nsecond line about valves\n" * 200
    document = parsed(tmp_path / "a.txt", log)
    assert "first line of the log\nsecond line about valves" in text_of(document)
    for data in (
        b"\0\1\2\3" * 100 + b"\nword\n" * 100,
        b"\x89\xff\0\0word\n" * 100,
        b"word\0\0\0" * 50,
    ):
        with pytest.raises(SourceRefused):
            parsed(tmp_path / "b.txt", data)


@pytest.mark.parametrize(
    ("begin", "end", "shown"),
    [
        ("DTSTART;VALUE=DATE:20250610", "DTEND;VALUE=DATE:20250611", "Ends: 2025-06-10"),
        ("DTSTART:20250228", "DTEND:20250301", "Ends: 2025-02-28"),
        ("DTSTART;VALUE=DATE:20241230", "DTEND;VALUE=DATE:20250103", "Ends: 2025-01-02"),
        ("DTSTART;VALUE=DATE:20250610", "DTEND;VALUE=DATE:20250610", "Ends: 2025-06-10"),
        ("DTSTART:20250610T220000", "DTEND:20250611T000000", "Ends: 2025-06-11 00:00"),
        ("DTSTART:20250610", "DTEND:00010101", "Ends: 0001-01-01"),
        ("DTSTART:20250610", "DTEND:20259999", "Ends: 2025-99-99"),
    ],
)
def test_an_entry_of_whole_days_ends_on_its_last_day(tmp_path, begin, end, shown):
    event = (
        f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{begin}\n{end}\nSUMMARY:Fair\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    assert shown in text_of(parsed(tmp_path / "a.ics", event)).split("\n")


def test_contacts_and_calendars_keep_every_property_people_read(tmp_path):
    card = (
        "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;Ada\nTEL;WORK:123\n"
        "ORG:Acme;Dept\nNOTE:long\n er note\nPHOTO:AAAA\nEND:VCARD\n"
    )
    document = parsed(tmp_path / "a.vcf", card)
    assert share_of_words(document, "Müller Ada 123 Acme Dept longer note") == 1.0
    assert [loss.kind for loss in document.losses] == ["picture"]
    event = (
        'BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID="Europe/Paris":20250610T170000\r\n'
        'SUMMARY:Supper\\, late\r\nATTENDEE;CN="Ada, L":mailto:a@b\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n'
    )
    assert (
        text_of(parsed(tmp_path / "a.ics", event))
        == "Supper, late\nBegins: 2025-06-10 17:00 (Europe/Paris)\nAttendee: Ada, L <a@b>"
    )


# --- rows and lines -------------------------------------------------------------------------------


def test_a_very_long_cell_spoils_no_file(tmp_path):
    document = parsed(
        tmp_path / "a.csv", 'id,log\n1,"' + "entry of the log " * 20_000 + '"\n2,short\n'
    )
    assert share_of_words(document, "id log 1 entry of the 2 short") == 1.0


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"\xef\xbb\xbfa;b\n1;2\n", (("a", "b"), ("1", "2"))),
        (b"sep=;\r\na;b\r\n1,5;2\r\n", (("a", "b"), ("1,5", "2"))),
        (b'a,b\n1,"x\ny"\n', (("a", "b"), ("1", "x y"))),
        (b"a,b\n1,z\0\n", (("a", "b"), ("1", "z"))),
        (b'a,b\n1,5" pipe\n', (("a", "b"), ("1", '5" pipe'))),
    ],
)
def test_rows_keep_their_cells_whatever_program_wrote_them(tmp_path, text, rows):
    (element,) = parsed(tmp_path / "a.csv", text).elements
    assert element.table is not None
    assert element.table.rows == rows


def test_a_quotation_mark_that_nobody_closes_swallows_nothing(tmp_path):
    document = parsed(tmp_path / "a.csv", 'a,b\n1,"open\n' + "2,row\n" * 500)
    assert document.warnings
    assert document.elements[0].table is not None
    assert len(document.elements[0].table.rows) == 502


def test_code_and_logs_keep_their_lines_and_are_cut_where_a_line_begins_at_the_margin(tmp_path):
    code = "".join(f"def f{n}(x):\n    if x:\n        return {n}\n\n\n" for n in range(200))
    document = parsed(tmp_path / "a.py", code)
    assert {element.kind for element in document.elements} == {"code"}
    assert all(element.text.startswith("def ") for element in document.elements)
    assert share_of_words(document, code) == 1.0
    log = "".join(f"2025-04-01 08:00:{n % 60:02} pump {n}\n" for n in range(500))
    assert text_of(parsed(tmp_path / "a.log", log)).count("\n") == 499


@pytest.mark.parametrize("cut", [parse_paragraphs, parse_code])
def test_text_without_blank_lines_is_cut_in_linear_time(cut):
    def cut_words(count: int) -> None:
        text = "word " * count
        pieces = list(cut(text))
        assert sum(len(piece.text) for piece in pieces) > 0.99 * len(text.strip())

    assert_grows_in_proportion(cut_words, 400_000)


# --- archives -------------------------------------------------------------------------------------

MEMBERS = {
    "notes/first.txt": b"A kite.",
    "notes/second.md": b"# Second\n\nA drum.",
    "raw.xyz": bytes(range(256)) * 9,
}


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


@pytest.mark.parametrize("ending", ["zip", "tar", "tgz", "tar.bz2", "txz", "none"])
def test_every_file_of_an_archive_is_a_part_with_its_path(tmp_path, ending):
    packed = {"tar": "w:", "tgz": "w:gz", "tar.bz2": "w:bz2", "txz": "w:xz"}
    data = tarred(MEMBERS, packed[ending]) if ending in packed else zipped(MEMBERS)
    document = parsed(tmp_path / f"a.{ending}", data)
    assert headings(document) == [(1, "notes/first.txt"), (1, "notes/second.md"), (2, "Second")]
    assert [(e.page, e.page_name) for e in document.elements if e.kind == "text"] == [
        (1, "notes/first.txt"), (2, "notes/second.md"),
    ]  # fmt: skip
    assert document.title is None
    assert "1 file could not be read: raw.xyz." in losses(document)
    assert len(document.losses) == (2 if ending in packed else 1)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_is_read_as_what_it_holds(tmp_path, pack):
    assert kinds(parsed(tmp_path / "a.csv.gz", pack(b"a,b,c\n1,2,3\n4,5,6\n")))[0][0] == "table"


def test_archives_in_archives_are_followed_only_so_far_and_counted(tmp_path):
    data = zipped({"deep.txt": b"Too deep."})
    for n in range(4):
        data = zipped({f"inner{n}.zip": data, f"words{n}.txt": f"Level {n}.".encode()})
    document = parsed(tmp_path / "a.zip", data)
    assert "Level 1." in text_of(document)
    assert "Too deep." not in text_of(document)
    assert any("files deep" in loss for loss in losses(document))


def test_files_behind_a_password_are_told_and_the_others_read(tmp_path):
    data = bytearray(zipped({"open.txt": b"Open words.", "locked.txt": b"Locked words."}))
    place = data.rfind(b"PK\x01\x02")
    data[place + 8] |= 1
    document = parsed(tmp_path / "a.zip", bytes(data))
    assert text_of(document) == "open.txt\nOpen words."
    assert any("password" in warning for warning in document.warnings)
    data[data.find(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(SourceRefused, match="password"):
        parsed(tmp_path / "b.zip", bytes(data))


def test_archives_keep_their_limits(tmp_path):
    many = zipped({f"{n}.txt": b"Words." for n in range(30)})
    few = parsed(tmp_path / "a.zip", many, ParseOptions(ocr=False, max_members=10))
    assert losses(few) == [
        "20 files lie beyond a limit and were not read: only the first 10 are read."
    ]
    with pytest.raises(SourceRefused, match="entries"):
        parsed(tmp_path / "a.zip", many, ParseOptions(ocr=False, max_entries=20))
    for name, bomb in (
        ("a.zip", zipped({"a.txt": bytes(40_000_000)})),
        ("a.gz", gzip.compress(bytes(40_000_000))),
    ):
        with pytest.raises(SourceRefused, match="times its size"):
            parsed(tmp_path / name, bomb)
    parts = {f"{n}.txt": b"Words. " * 100_000 for n in range(4)}
    large = parsed(
        tmp_path / "a.tar", tarred(parts, "w:"), ParseOptions(ocr=False, max_unpacked_mb=2)
    )
    assert any("only 2 MB are unpacked" in loss for loss in losses(large))


def test_an_archive_of_nothing_readable_says_why(tmp_path):
    with pytest.raises(SourceBroken, match=r"None of its 1 files.*binary data"):
        parsed(tmp_path / "a.zip", zipped({"raw.xyz": bytes(range(256)) * 9}))
    with pytest.raises(SourceError):
        parsed(tmp_path / "b.zip", zipped({}))


def test_an_archive_with_a_folder_named_like_a_part_of_word_is_an_archive(tmp_path):
    document = parsed(
        tmp_path / "a.zip", zipped({"word/first.txt": b"A kite.", "content.xml": b"<a>A drum.</a>"})
    )
    assert headings(document) == [(1, "word/first.txt"), (1, "content.xml")]


def test_names_in_old_archives_are_read(tmp_path):
    data = zipped({"Ubersicht.txt": b"Words."}).replace(b"Ubersicht", "Übersicht".encode("cp437"))
    assert headings(parsed(tmp_path / "a.zip", data)) == [(1, "Übersicht.txt")]


@pytest.mark.parametrize("rule", [".access.yaml", "pay/.access.yaml", "pay\\.Access.yml"])
@pytest.mark.parametrize("pack", ["zip", "tar"])
def test_an_archive_inside_a_file_that_holds_a_rule_is_refused_and_counted(tmp_path, rule, pack):
    members = {"salaries.txt": b"Salaries.", rule: b"allow: [group:hr]"}
    data = zipped(members) if pack == "zip" else tarred(members, "w")
    with pytest.raises(SourceRefused, match="rule"):
        parsed(tmp_path / "alone", data)
    document = parsed(
        tmp_path / "a.zip", zipped({f"inner.{pack}": data, "one.txt": b"Apples are red."})
    )
    assert "Salaries" not in str(document.elements)
    assert [(loss.kind, loss.detail) for loss in document.losses] == [("part", f"inner.{pack}")]
    assert "rules in it are not read" in document.warnings[0]


def test_a_cut_archive_is_damaged_or_told(tmp_path):
    data = gzip.compress(b"words of a log\n" * 5_000)
    document = parsed(tmp_path / "a.gz", data[:-20], NO_OCR)
    assert "words" in text_of(document)
    assert document.losses
    assert document.warnings
