"""What careful readers of text formats expect, found by attacking the readers: each input was read
wrongly once.
"""

import pytest

from ingest.elements import Element, ParseOptions, Table
from ingest.partition.encodings import decode_bytes
from tests.ingest.parsing import kinds, losses, parsed

SENTENCES = {
    "French": "L'équipe range ses outils à la fin de la journée.",
    "German": "Die Bücherei öffnet täglich um neun Uhr.",
    "Spanish": "El almacén abre a las ocho.",
    "Hungarian": "A raktár nyolckor nyílik.",
    "Polish": "Żółta łódź stoi w porcie.",
    "Turkish": "Depo sabah açılır, akşam kapanır.",
    "Russian": "Склад открывается в восемь часов.",
    "Greek": "Η αποθήκη ανοίγει στις οκτώ.",
    "Hebrew": "המחסן נפתח בשמונה בבוקר.",
    "Arabic": "يفتح المستودع في الثامنة صباحا.",
    "Thai": "คลังสินค้าเปิดเวลาแปดโมงเช้า",
    "Hindi": "गोदाम सुबह आठ बजे खुलता है।",
    "Japanese": "会議室の予約はカレンダーで行ってください。",
    "Korean": "도서관은 월요일에 쉽니다.",
    "Simplified": "温室夜间温度不得低于十二度。",
    "Traditional": "圖書館週日休館，還書請投入還書箱。",
}
BAD = {
    "Latin": b"\xe9",
    "never used": b"\xff",
    "Windows quotes": b"\x93q\x94",
    "no-break space": b"\xa0",
    "first half": b"\xc3",
    "euro": b"\x80 5",
}


def wrapped(ending: str, text: bytes, bad: bytes) -> bytes:
    envelope = b"From: a@b.example\nTo: c@d.example\nContent-Transfer-Encoding: 8bit\nContent-Type: text/plain"
    return {
        "csv": b'a,b\n"%s",x\n"x%s end",y\n' % (text, bad),
        "html": b"<html><body><p>%s</p><p>x%s end</p></body></html>" % (text, bad),
        "eml": envelope + b"; charset=utf-8\n\n%s\n\nx%s end\n" % (text, bad),
        "json": b'{"a":"%s","b":"x%s end"}' % (text, bad),
        "ics": b"BEGIN:VEVENT\nSUMMARY:%s\nDESCRIPTION:x%s end\nEND:VEVENT\n" % (text, bad),
    }.get(ending, b"%s\n\nx%s end\n" % (text, bad))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("language", SENTENCES)
def test_bad_bytes_beside_few_letters_leave_these_alone_and_are_told(tmp_path, language, bad):
    for ending in ("md", "csv", "html", "eml", "json", "ics"):
        data = wrapped(ending, SENTENCES[language].encode(), BAD[bad])
        document = parsed(tmp_path / f"a.{ending}", data)
        assert any(SENTENCES[language] in element.text for element in document.elements), ending
        assert "could not be decoded" in losses(document)[0]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Склад открыт\r\nс восьми", "utf-16-be"),
        ("Η αποθήκη ανοίγει\r\n", "utf-16-le"),
        ("日本語のテキスト。\r\n二行目です。", "utf-16-le"),
        ("温室夜间温度不得低于十二度。\n", "utf-16-be"),
        ("도서관은 월요일에 쉽니다.\n", "utf-16-le"),
    ],
)
def test_wide_text_without_a_mark_is_read_in_any_script(tmp_path, text, encoding):
    (element,) = parsed(tmp_path / "a.txt", text.encode(encoding)).elements
    assert element.text.split("\n") == text.splitlines()


def test_bytes_of_programs_are_no_wide_text(tmp_path):
    for data in (bytes(range(256)) * 8, b"\x00\x01text\x02more\x03" * 50):
        with pytest.raises(Exception, match="binary"):
            parsed(tmp_path / "a.txt", data)


def test_text_in_single_bytes_is_not_taken_for_broken_utf_8():
    for text, encoding in (("Ã la carte", "cp1252"), ("Â© 2024 é", "cp1252"), ("คลังสินค้า", "cp874")):
        found = decode_bytes(text.encode(encoding), ParseOptions().encodings)
        assert found.replaced == 0


def test_ends_of_pages_and_records_part_words(tmp_path):
    (element,) = parsed(tmp_path / "a.txt", "one\ftwo\vthree\x1ffour").elements
    assert element.text.split() == ["one", "two", "three", "four"]


@pytest.mark.parametrize("ending", ["txt", "log"])
def test_colours_of_a_terminal_are_no_text(tmp_path, ending):
    (element,) = parsed(tmp_path / f"a.{ending}", "\x1b[1;31mfailed\x1b[0m at noon").elements
    assert element.text == "failed at noon"


# --- rows ---


def table_in(element: Element) -> Table:
    assert element.table is not None
    return element.table


@pytest.mark.parametrize(
    ("text", "above", "rows", "headers"),
    [
        ("# made by X\n# on Monday, at noon\na,b\n1,x\n", 2, ("a", "b"), 1),
        ("#id,name\n1,Ann\n2,Bob\n", 0, ("#id", "name"), 1),
        ("# a, b\nc,d\n1,2\n", 1, ("c", "d"), 1),
        ("1,2,3\n4,5,6\n7,8,9\n", 0, ("1", "2", "3"), 0),
        ("2022,2023\n1,2\n", 0, ("2022", "2023"), 1),
        ('a, "b, c", d\n1, "x, y", 2\n', 0, ("a", "b, c", "d"), 1),
    ],
)
def test_remarks_above_a_table_are_no_row_and_figures_are_no_header(
    tmp_path, text, above, rows, headers
):
    *remarks, last = parsed(tmp_path / "a.csv", text).elements
    assert sum(len(element.text.split("\n")) for element in remarks) == above
    table = table_in(last)
    assert (table.rows[0], table.header_rows) == (rows, headers)


@pytest.mark.parametrize("quoted", ['"x, y"', "plain"])
def test_a_quotation_mark_that_nobody_closes_spoils_its_row_alone(tmp_path, quoted):
    text = f'a,b\n1,{quoted}\n2,"open\n3,{quoted}\n4,z\n'
    document = parsed(tmp_path / "a.csv", text)
    shown = quoted.strip('"')
    assert table_in(document.elements[0]).rows == (
        ("a", "b"), ("1", shown), ("2", '"open'), ("3", shown), ("4", "z"),
    )  # fmt: skip
    assert "quotation mark" in document.warnings[0]


def test_cells_beyond_the_header_of_a_markdown_table_are_kept(tmp_path):
    text = "| a | b |\n|---|:-:|\n| 1 | `c|d` | e |\n| x \\| y |\n"
    (first,) = parsed(tmp_path / "a.md", text).elements
    assert table_in(first).rows[1] == ("1", "`c", "d`", "e")
    assert table_in(first).rows[2][0] == "x | y"


# --- XML ---


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<d><p>a <i>b <u>c</u> d</i> e</p></d>", "a b c d e"),
        ("<d><p>one</p>two<p>three <b>four</b></p>five</d>", "one two three four five"),
        ("<d>H<sub>2</sub>O <b>is <i>wet</i>!</b></d>", "H2O is wet!"),
        ("<d>a<!-- no -->b<?pi x?>c</d>", "abc"),
    ],
)
def test_mixed_text_in_xml_stands_in_its_order(tmp_path, markup, text):
    (element,) = parsed(tmp_path / "a.xml", markup).elements
    assert element.text == text


# --- rich text ---


def rich(tmp_path, body: str, head: str = ""):
    return parsed(tmp_path / "a.rtf", rf"{{\rtf1\ansi\ansicpg1252{head} {body}}}".encode("cp1252"))


def test_paragraphs_of_a_cell_stay_apart(tmp_path):
    body = r"\trowd\cellx1000\cellx2000\intbl A\par B\par C\cell D\cell\row\pard E"
    (table, _) = rich(tmp_path, body).elements
    assert table_in(table).rows == (("A B C", "D"),)


def test_a_drawing_with_a_version_for_old_programs_is_read_once(tmp_path):
    body = (
        r"{\shp{\*\shpinst{\shptxt Box words\par}}{\shprslt{\*\do{\dptxbxtext Box words\par}}}}Body"
        r"{\*\shppict{\pict 00}}{\nonshppict{\pict 00}}"
    )
    document = rich(tmp_path, body)
    assert sorted(kinds(document)) == [("text", "Body"), ("text", "Box words")]
    assert losses(document) == ["1 picture was not read: in the text."]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"5 {\f1 m}m", "5 μm"),
        (r"x {\f1 \'a3} 7 {\f1\u-3920?}C", "x ≤ 7 °C"),
        (r"{\f2\u-3913?} item", "• item"),
        (r"{\mmath{\*\moMath{\msSup{\me{\mr x}}{\msup{\mr 2}}}}} is a square", "x^2 is a square"),
    ],
)  # fmt: skip
def test_signs_of_symbol_fonts_and_formulas_are_what_the_reader_sees(tmp_path, body, text):
    head = r"{\fonttbl{\f0 Arial;}{\f1\fcharset2 Symbol;}{\f2\fcharset2 Wingdings;}}"
    assert rich(tmp_path, body, head).elements[0].text == text


@pytest.mark.parametrize(
    "body",
    [
        r"{\cf2 shown not} seen",
        r"{\cf2\highlight1 dark} seen",
        r"\trowd\clcbpat1\cellx99\intbl{\cf2 head}\cell\row\pard seen",
        r"{\cf1 black} {\cf3 red} seen",
    ],
)
def test_white_letters_on_the_page_are_hidden_and_others_are_not(tmp_path, body):
    head = r"{\colortbl;\red0\green0\blue0;\red255\green255\blue255;\red255\green0\blue0;}"
    document = rich(tmp_path, body, head)
    hidden = ["2 words are hidden from readers of the file: in the colour of its background."]
    assert losses(document) == (hidden if "not" in body else [])


def test_utf_8_that_nobody_declared_and_words_after_the_end_are_told(tmp_path):
    text = "Grüße aus Łódź – „schön“"
    data = rb"{\rtf1\ansi\ansicpg1252 " + text.encode() + rb"\par}\par more words}"
    document = parsed(tmp_path / "a.rtf", data)
    assert document.elements[0].text == text
    assert losses(document) == ["2 words are hidden from readers of the file: after its end."]


# --- pages ---


def page(tmp_path, body: str, head: str = ""):
    return parsed(tmp_path / "a.html", f"<html><head>{head}</head><body>{body}</body></html>")


def test_what_stands_behind_the_end_of_a_page_is_read(tmp_path):
    document = page(tmp_path, "<p>one</p></body></HTML ><p>two</p>three<html><body><p>four</p>")
    assert [element.text for element in document.elements] == ["one", "two", "three", "four"]


@pytest.mark.parametrize(
    "style",
    ["clip-path:inset(100%)", "margin-left:-9999px", "content-visibility:hidden", "filter:opacity(0)", "zoom:0",
     "font:0/0 a", "opacity:.01", "color:hsl(0,0%,100%)", "transform:scaleY(0)", "opacity:0%"],
)  # fmt: skip
def test_text_is_hidden_in_many_ways(tmp_path, style):
    document = page(tmp_path, f"<p>shown</p><div style='{style}'>secret words</div>")
    assert [element.text for element in document.elements] == ["shown"]
    assert losses(document)[0].startswith("2 words are hidden")


@pytest.mark.parametrize(
    "style",
    ["color:white;text-shadow:0 0 3px #000", "color:var(--ink,#fff)", "opacity:30%", "transform:scale(0.5)",
     "margin-left:-20px", "filter:opacity(.5)", "clip-path:inset(5%)", "font:bold 10px/0 a", "zoom:0.5"],
)  # fmt: skip
def test_text_that_only_looks_hidden_stays(tmp_path, style):
    document = page(tmp_path, f"<p style='{style}'>shown words</p>")
    assert [element.text for element in document.elements] == ["shown words"]


def test_closed_dialogs_and_hidden_choices_are_counted(tmp_path):
    body = "<dialog>closed words</dialog><dialog open>open</dialog><select><option hidden>no<option>yes</select>"
    document = page(tmp_path, body)
    assert [element.text for element in document.elements] == ["open", "yes"]
    assert [loss[:7] for loss in losses(document)] == ["2 words", "1 word "]


def test_the_page_of_a_frame_inside_the_page_is_read(tmp_path):
    document = page(
        tmp_path, '<p>a</p><iframe srcdoc="<p>b <i>c</i></p><p hidden>d</p>"></iframe><p>e</p>'
    )
    assert [element.text for element in document.elements] == ["a", "b c", "e"]
    assert losses(document) == ["1 word is hidden from readers of the file: not displayed."]


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("<tfoot><tr><td>Sum<td>3</tfoot><thead><tr><th>A<th>B</thead><tr><td>1<td>2",
         (("A", "B"), ("1", "2"), ("Sum", "3"))),
        ("<tr><th>A<th>B<tr><td>1<td><table><tr><td>x<td>y</table>", (("A", "B"), ("1", "x, y"))),
    ],
)  # fmt: skip
def test_rows_stand_as_the_page_shows_them(tmp_path, body, rows):
    (element,) = page(tmp_path, f"<table>{body}</table>").elements
    table = table_in(element)
    assert (table.rows, table.header_rows) == (rows, 1)


@pytest.mark.parametrize(
    "body",
    ["<tr><th>a<th>b<t6><td>c<td>d", "<tr><td>a\x0cb<td>c &#1;d", "<tr><td>a<td>b<div><tr><td>c<td>d</div>",
     "<tr><td>a<x><td>b</x><td>c<x><th>d"],
)  # fmt: skip
def test_cells_inside_cells_and_signs_that_no_page_may_hold_spoil_no_table(tmp_path, body):
    document = page(tmp_path, f"<table>{body}</table>")
    words = " ".join(element.text for element in document.elements)
    assert [letter for letter in words if letter.isalpha()] == list("abcd")


def test_drawings_do_not_name_the_page_and_lists_may_count_down(tmp_path):
    body = "<svg><title>Logo</title><desc>round</desc></svg><ol reversed><li>x<li>y</ol>"
    document = page(tmp_path, body)
    assert document.title is None
    assert [element.text for element in document.elements] == ["Logo round", "2. x", "1. y"]


# --- mail ---


def mail(tmp_path, content: str):
    head = "From: a@b.example\nTo: c@d.example\nSubject: Notice\n"
    document = parsed(tmp_path / "a.eml", head + content)
    return document, [element.text for element in document.elements[2:]]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("Content-Type: multipart/mixed; boundary=B\n\nno such line\n", ["no such line"]),
        ("Content-Type: multipart/alternative\n\nno boundary\n", ["no boundary"]),
        ("Content-Transfer-Encoding: base64\n\nSGVsbG8gd29ybGQ=\n\n-- \nfooter at desk nine\n",
         ["Hello world\n--\nfooter at desk nine"]),
        ("Content-Transfer-Encoding: base64\n\nSGVsbG8gd29ybGQh\n\n__\nplain footer\n",
         ["Hello world!\n__\nplain footer"]),
        ("Content-Transfer-Encoding: base64\n\nSGVsbG8=SGVsbG8gdHdv\n", ["Hello\nHello two"]),
        ("Content-Transfer-Encoding: base64\n\nSGVsbG8g\n!!d29ybGQ=!\n", ["Hello world"]),
        ("Content-Type: multipart/alternative; boundary=B\n\n--B\n\nSame words here.\n--B\n"
         "Content-Type: text/x-amp-html\n\n<p>Same words here.</p>\n--B--\n", ["Same words here."]),
        ("Content-Type: multipart/signed; boundary=B\n\n--B\n\nSigned.\n--B\nContent-Type: application/pgp-signature;"
         " name=s.asc\n\n-----BEGIN PGP SIGNATURE-----\n--B--\n", ["Signed."]),
    ],
)  # fmt: skip
def test_every_word_of_a_broken_message_is_read_once(tmp_path, content, texts):
    document, found = mail(tmp_path, content)
    assert found == texts
    assert not document.losses


def test_words_around_the_parts_of_a_message_are_counted(tmp_path):
    content = "Content-Type: multipart/mixed; boundary=B\n\nThis is a multi-part message.\n--B\n\nBody.\n--B--\nAfter it.\n"
    document, found = mail(tmp_path, content)
    assert found == ["Body."]
    assert losses(document) == [
        "2 words are hidden from readers of the file: outside the parts of the message."
    ]


def test_a_message_may_begin_with_a_mark_of_its_encoding(tmp_path):
    document = parsed(
        tmp_path / "a.eml", b"\xef\xbb\xbfFrom: a@b.example\nSubject: Hall\n\nBody.\n"
    )
    assert document.title == "Hall"


def test_a_line_that_begins_with_from_is_no_new_message(tmp_path):
    text = "From a@b Mon Jan  1 00:00:00 2024\nFrom: a@b.c\nSubject: one\n\nHe wrote:\n\nFrom now on, in 2024\nnote: read it\n"
    document = parsed(tmp_path / "a.mbox", text)
    assert document.elements[-1].text == "From now on, in 2024\nnote: read it"


# --- calendars ---


def test_long_texts_that_were_not_folded_and_busy_times_are_kept(tmp_path):
    text = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Tea\nDESCRIPTION:one\ntwo three\nEND:VEVENT\n"
        "BEGIN:VFREEBUSY\nCOMMENT:away\nEND:VFREEBUSY\nEND:VCALENDAR\n"
    )
    assert kinds(parsed(tmp_path / "a.ics", text)) == [
        ("heading", "Tea"),
        ("text", "Description: one\ntwo three"),
        ("heading", "Busy times"),
        ("text", "Comment: away"),
    ]
