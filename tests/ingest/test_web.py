"""What a reader of a web page sees is what is read, in its order; what he does not see is counted."""

import pytest

from ingest.elements import ParseOptions
from tests.ingest.completeness import share_of_words, text_of
from tests.ingest.parsing import headings, kinds, losses, parsed


def read(tmp_path, body: str, head: str = "", **options):
    page = f"<html><head>{head}</head><body>{body}</body></html>"
    return parsed(tmp_path / "a.html", page, ParseOptions(ocr=False, **options))


@pytest.mark.parametrize(
    "body",
    [
        "<form>one <label>two</label> <legend>three</legend></form>",
        "<info-card>one <x-y>two</x-y></info-card> three",
        "<details><summary>one</summary>two <p>three</p></details>",
        "<center><font>one</font></center><marquee>two</marquee><blink>three</blink>",
        "<div>one <span>two</span></div><dl><dt>two<dd>three</dl>",
        "<fieldset>one<output>two</output><meter>three</meter></fieldset>two",
        "<table><caption>one</caption><tr><td>two<td>three</table>",
        "<table>one<tr><form><td>two<td>three</form></table>",
        "<object>one</object><canvas>two</canvas><svg><text>three</text></svg>",
        "<figure><img alt=one><figcaption>two</figcaption></figure><aside>three</aside>",
        "<input value=one><textarea>two</textarea><button>three</button>",
        "<select><option>one<option selected>two</select><input type=submit value=three>",
        "<div role=navigation>one</div><nav>two</nav><footer>three</footer>",
        "<frameset><noframes>one two three</noframes></frameset>",
        "<map><area alt=one></map><p hidden=until-found>two</p><p aria-hidden=true>three",
    ],
)
def test_no_element_is_so_unusual_that_its_text_is_lost(tmp_path, body):
    document = read(tmp_path, body)
    assert share_of_words(document, "one two three") == 1.0
    assert not document.losses


def test_text_stands_in_its_order_with_its_headings_lists_and_code(tmp_path):
    body = "<h2>Rules</h2>Bare <b>bold</b>ly<br>next<ol start=3><li>three<li><p>four</ol><pre>if x:\n    y</pre><p>end"
    assert kinds(read(tmp_path, body)) == [
        ("heading", "Rules"),
        ("text", "Bare boldly\nnext"),
        ("list", "3. three"),
        ("list", "4. four"),
        ("code", "if x:\n    y"),
        ("text", "end"),
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("10<sup>6</sup> m<sup>2</sup>", "10^6 m^2"),
        ("2<sup>nd</sup> H<sub>2</sub>O", "2nd H2O"),
        ("x<sup>n+1</sup> x<sub>max</sub> 10<sub>2</sub>", "x^n+1 x_max 10_2"),
        ("word<sup><a href=#f>1</a></sup>", "word[1]"),
        ("10<sup>&minus;3</sup>", "10^−3"),
        ("costs <del>20</del> 15", "costs ~~20~~ 15"),
        ("<ruby>漢字<rp>(<rt>かんじ<rp>)</ruby>", "漢字(かんじ)"),
        ("hy&shy;phen", "hyphen"),
        ("一行\n二行", "一行二行"),
        ("<math><msup><mi>x</mi><mn>2</mn></msup><mo>+</mo><mn>1</mn></math>", "x^2 + 1"),
        ("<math alttext='a/b'><mi>a</mi><mi>b</mi></math>", "a/b"),
    ],
)
def test_signs_keep_their_meaning_in_plain_text(tmp_path, body, text):
    assert text_of(read(tmp_path, f"<p>{body}</p>")) == text


@pytest.mark.parametrize(
    "body",
    [
        "<p style='display: none'>secret</p>",
        "<p hidden>secret</p>",
        "<p style='visibility:hidden'>secret</p>",
        "<p style='font-size:0'>secret</p>",
        "<p style='font:0px Arial'>secret</p>",
        "<p style='color:#fff'>secret</p>",
        "<p style='color:rgb(250,250,250)'>secret</p>",
        "<div style='background:#123'><p style='color:#112233'>secret</p></div>",
        "<p style='color:transparent'>secret</p>",
        "<p style='opacity:0'>secret</p>",
        "<p style='position:absolute;left:-9999px'>secret</p>",
        "<p style='text-indent:-9999px'>secret</p>",
        "<p style='height:1px;width:1px;overflow:hidden'>secret</p>",
        "<p style='position:absolute;clip:rect(0,0,0,0)'>secret</p>",
        "<p class='a off'>secret</p>",
        "<p id=gone>secret</p>",
        "<div class=box><em><i>secret</i></em></div>",
        "<font color=white>secret</font>",
        "<template>secret</template>",
        "<noscript>secret</noscript>",
        "<div style='display:none'><table><tr><td>secret<td>secret</table></div>",
        "<table><tr><th>k<th>v<tr style='display:none'><td>secret<td>secret</table>",
    ],
)
def test_what_the_page_does_not_show_is_left_out_and_counted_or_marked(tmp_path, body):
    sheet = "<style>.off{display:none} #gone{visibility:hidden} .box em{display:none !important}</style>"
    document = read(tmp_path, f"<p>shown</p>{body}", sheet)
    assert "secret" not in text_of(document)
    assert [loss.kind for loss in document.losses] == ["hidden"]
    marked = text_of(read(tmp_path, f"<p>shown</p>{body}", sheet, hidden_text="mark"))
    assert "[hidden text: secret" in marked


@pytest.mark.parametrize(
    "body",
    [
        "<p style='color:#fff;background-color:#222'>shown</p>",
        "<div class=dark><p class=light>shown</p></div>",
        "<p style='position:absolute;left:40px'>shown</p>",
        "<div style='visibility:hidden'><p style='visibility:visible'>shown</p></div>",
        "<div style='font-size:0'><p style='font-size:14px'>shown</p></div>",
        "<div hidden style='display:block'>shown</div>",
        "<p class=print>shown</p>",
        "<p class=wide>shown</p>",
        "<p style='color:#fff;background:url(x.png)'>shown</p>",
        "<table bgcolor=black><tr><td><font color=white>shown</font></table>",
    ],
)
def test_what_the_page_shows_stays(tmp_path, body):
    sheet = "<style>.dark{background:#000}.dark .light{color:white}@media print{.print{display:none}}</style>"
    sheet += (
        "<style>@media (max-width:600px){.wide{display:none}} .never:hover{display:none}</style>"
    )
    document = read(tmp_path, body, sheet)
    assert "shown" in text_of(document)
    assert not document.losses


def test_white_letters_stay_if_the_ground_is_painted_by_a_sheet_elsewhere(tmp_path):
    document = read(
        tmp_path, "<p style='color:white'>shown</p>", "<link rel=stylesheet href=x.css>"
    )
    assert "shown" in text_of(document)


def test_tables_keep_their_spans_headers_and_captions(tmp_path):
    body = (
        "<table><caption>Fares</caption><thead><tr><th rowspan=2>Route<th colspan=2>Sunday"
        "<tr><th>Adult<th>Child</thead><tr><td>Island<td>4<b>2</b><td>21<ul><li>free</ul></table>"
    )
    (element,) = read(tmp_path, body).elements
    assert element.table is not None
    assert element.table.rows == (
        ("Route", "Sunday", "Sunday"), ("Route", "Adult", "Child"), ("Island", "42", "21 free"),
    )  # fmt: skip
    assert (element.table.header_rows, element.table.caption) == (2, "Fares")


def test_a_table_that_is_only_layout_is_read_as_text(tmp_path):
    body = (
        "<table><tr><td><h1>News</h1><table><tr><th>k<th>v<tr><td>a<td>1</table><td>beside</table>"
    )
    document = read(tmp_path, body)
    assert [kind for kind, _ in kinds(document)] == ["heading", "table", "text"]
    assert kinds(document)[1] == ("table", "k | v\na | 1")


def test_a_page_nested_deeper_than_any_parser_goes_loses_nothing(tmp_path):
    document = read(
        tmp_path, "<div>" * 3_000 + "<p>deep &amp; dark</p>" + "</div>" * 3_000 + "after"
    )
    assert text_of(document) == "deep & dark\nafter"
    assert document.warnings


@pytest.mark.parametrize(
    "title", ["Untitled Document", "0009999999-24-001234", "report_v3.docx", "Document1"]
)
def test_a_title_that_a_program_left_behind_is_none(tmp_path, title):
    assert read(tmp_path, "<h1>Harvest</h1>x", f"<title>{title}</title>").title == "Harvest"


def test_folded_answers_in_markdown_stand_below_their_questions(tmp_path):
    text = "# Camp\n\n<details>\n<summary>Where?</summary>\n\nAt the *hearth*.\n\n</details>\n\n1. one\n2. two\n"
    document = parsed(tmp_path / "a.md", text)
    assert kinds(document)[1:] == [
        ("text", "Where?"), ("text", "At the hearth."), ("list", "1. one"), ("list", "2. two"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "deep", ["> " * 500 + "deep", "".join(f"{'  ' * n}- deep{n}\n" for n in range(300))]
)
def test_markdown_nested_deeper_than_any_parser_goes_loses_nothing(tmp_path, deep):
    document = parsed(tmp_path / "a.md", f"{deep}\n\nafter\n")
    assert share_of_words(document, f"{deep} after") == 1.0
    assert document.warnings


def test_lists_in_lists_in_markdown_are_read(tmp_path):
    text = "".join(f"{'  ' * n}- item{n}\n" for n in range(55))
    document = parsed(tmp_path / "a.md", text)
    assert share_of_words(document, text) == 1.0
    assert not document.warnings


def test_neighbours_that_a_page_sets_apart_are_words_of_their_own(tmp_path):
    document = read(tmp_path, "<p><a>one</a><a>two</a><kbd>three</kbd><kbd>four</kbd></p>")
    assert share_of_words(document, "one two three four") >= 0.5
    assert "one two" in text_of(document)


def test_pictures_inside_a_page_are_counted(tmp_path):
    document = read(tmp_path, f"<p>x</p><img src='data:image/png;base64,{'A' * 3000}'>")
    assert losses(document) == ["1 picture was not read: inside the page."]


def test_long_lists_of_choices_do_not_fill_the_text(tmp_path):
    options = "".join(f"<option>c{n}</option>" for n in range(100))
    document = read(tmp_path, f"<p>Land <select>{options}</select></p>")
    assert text_of(document).startswith("Land c0 [other choices: c1, c2")
    assert losses(document) == [
        "74 choices lie beyond a limit and were not read: of a list in a form."
    ]


def test_headings_may_be_told_by_their_role(tmp_path):
    assert headings(read(tmp_path, "<div role=heading aria-level=3>Deep</div>x")) == [(3, "Deep")]


def test_a_table_in_a_cell_gives_each_figure_its_header(tmp_path):
    inner = "<table><tr><th>Good<th>Tons<tr><td>Rye<td>31<tr><td>Oats<td>47</table>"
    body = f"<table><tr><th>Ship<th>Load<tr><td>Swan<td><b>now</b>{inner}<tr><td>Heron<td>empty</table>"
    assert text_of(read(tmp_path, body)) == (
        "Ship | Load\nSwan | now Good: Rye, Tons: 31; Good: Oats, Tons: 47\nHeron | empty"
    )


_CSS = (
    "<style>.t{display:table}.r{display:table-row}.c{display:table-cell}div.x{display:none}</style>"
)


def _css_table(*rows: tuple[str, ...], name: str = "c") -> str:
    made = ("".join(f"<div class='{name}'>{cell}</div>" for cell in row) for row in rows)
    return f"<div class=t>{''.join(f'<div class=r>{row}</div>' for row in made)}</div>"


@pytest.mark.parametrize(
    "body",
    [
        "<div role=table><div role=rowgroup><div role=row><span role=columnheader>Good</span>"
        "<span role=columnheader>Price</span></div></div><div><div role=row><span role=cell>Salt</span>"
        "<span role=cell><b>14</b></span></div></div></div>",
        "<ul role=grid><li role=row><i role=gridcell>Good</i><i role=gridcell>Price</i></li>"
        "<li role=row><i role=gridcell>Salt</i><i role=gridcell>14</i></li></ul>",
        _css_table(("Good", "Price"), ("Salt", "14")),
        "<p style='display: table'><span style='display:table-row'><b style='display:table-cell'>Good</b>"
        "<b style='display:table-cell'>Price</b></span><span style='display:table-row'>"
        "<b style='display:table-cell'>Salt</b><b style='display:table-cell'>14</b></span></p>",
    ],
)
def test_tables_of_other_elements_are_tables(tmp_path, body):
    document = read(tmp_path, body, _CSS)
    assert kinds(document) == [("table", "Good | Price\nSalt | 14")]
    table = document.elements[0].table
    assert table
    assert table.header_rows == 1


def test_what_is_only_laid_out_in_cells_is_text(tmp_path):
    for body in (
        _css_table(("one", "two")),
        _css_table(("one", "two"), ("three",)),
        _css_table(("one " * 80, "two"), ("three", "four")),
        _css_table(("<ul><li>one</ul>", "two"), ("three", "four")),
        "<div role=table><p>one</p><div role=row><i role=cell>two</i><i role=cell>three</i></div></div>",
    ):
        document = read(tmp_path, body, _CSS)
        assert all(element.kind != "table" for element in document.elements)


def test_a_cell_that_the_page_hides_stays_hidden_in_a_table_of_other_elements(tmp_path):
    body = _css_table(("Good", "Price"), ("Salt", "14"), ("x", "secret")).replace(
        "<div class='c'>secret", "<div class='c x'>secret"
    )
    document = read(tmp_path, body, _CSS)
    assert "secret" not in text_of(document)
    assert losses(document)
