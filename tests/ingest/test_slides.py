"""Slides are read in their order, each whole: title, what stands on it, notes; nothing unseen."""

import io

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Emu, Inches, Pt

from ingest.elements import ParseOptions
from tests.ingest import files
from tests.ingest.office_xml import (
    NAMES,
    ODF_NAMES,
    lost,
    pack,
    read,
    relations,
    share_of_words,
    table,
    texts,
)

KEPT = ParseOptions(ocr=False, hidden_text="mark")


def add(deck, title: str, *boxes: str, left: float = 1, notes: str = ""):
    """A slide with a title and text boxes below each other."""
    made = deck.slides.add_slide(deck.slide_layouts[5])
    made.shapes.title.text = title
    for number, text in enumerate(boxes):
        put(made, text, left, 2 + number)
    if notes:
        made.notes_slide.notes_text_frame.text = notes
    return made


def put(slide, text: str, left: float, top: float):
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(3), Inches(0.5))
    box.text_frame.text = text
    return box


def saved(deck, tmp_path, options: ParseOptions = ParseOptions(ocr=False)):  # noqa: B008
    deck.save(str(tmp_path / "a.pptx"))
    return read(tmp_path / "a.pptx", options)


def test_notes_stand_after_the_slide_that_they_belong_to(tmp_path):
    deck = pptx.Presentation()
    add(deck, "Fleet", "Twelve barges sail.", notes="Thank the crew.")
    add(deck, "Dock", "Four docks are full.", notes="Skip when late.")
    document = saved(deck, tmp_path)
    assert [(each.page, each.text) for each in document.elements] == [
        (1, "Fleet"), (1, "Twelve barges sail."), (1, "Notes: Thank the crew."),
        (2, "Dock"), (2, "Four docks are full."), (2, "Notes: Skip when late."),
    ]  # fmt: skip
    assert share_of_words(tmp_path / "a.pptx", document) == 1


def test_shapes_are_read_from_top_to_bottom_and_from_left_to_right(tmp_path):
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    for text, left, top in (("last", 1, 5), ("right", 5, 2), ("left", 1, 2.1)):
        put(slide, text, left, top)
    slide.shapes.title.text = "Title"
    assert texts(saved(deck, tmp_path)) == ["Title", "left", "right", "last"]


def test_hidden_slides_and_what_stands_beside_the_slide_are_left_out_and_counted(tmp_path):
    deck = pptx.Presentation()
    first = add(deck, "Open", "Seen.")
    put(first, "out of sight", 20, 1)
    tiny = put(first, "obey the mole", 1, 4)
    tiny.text_frame.paragraphs[0].runs[0].font.size = Pt(1)
    add(deck, "Secret plan").element.set("show", "0")
    document = saved(deck, tmp_path)
    assert texts(document) == ["Open", "Seen."]
    assert set(lost(document)) == {
        ("hidden", 2, "in hidden slides"),
        ("hidden", 3, "outside of the slide"),
        ("hidden", 3, "in letters of one point or less"),
    }
    assert "[hidden text: Secret plan]" in texts(saved(deck, tmp_path, KEPT))


def test_white_text_is_hidden_on_a_white_slide_and_seen_on_a_colour(tmp_path):
    deck = pptx.Presentation()
    slide = add(deck, "Open")
    slide.background.fill.solid()
    slide.background.fill.fore_color.rgb = RGBColor(255, 255, 255)
    for top, filled in ((3, False), (5, True)):
        box = put(slide, "on a bar" if filled else "unseen", 1, top)
        box.text_frame.paragraphs[0].runs[0].font.color.rgb = RGBColor(255, 255, 255)
        if filled:
            box.fill.solid()
            box.fill.fore_color.rgb = RGBColor(0, 32, 96)
    document = saved(deck, tmp_path)
    assert texts(document) == ["Open", "on a bar"]
    assert lost(document) == [("hidden", 1, "in white on white")]


def test_tables_keep_merged_cells_and_charts_their_figures(tmp_path):
    deck = pptx.Presentation()
    slide = add(deck, "Lamps")
    grid = slide.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(2)).table
    for place, text in {(0, 0): "Street", (0, 1): "Lamps", (1, 1): "Gas", (1, 2): "Oil",
                        (2, 0): "Lane", (2, 1): "12", (2, 2): "23"}.items():  # fmt: skip
        grid.cell(*place).text = text
    grid.cell(0, 1).merge(grid.cell(0, 2))
    grid.cell(0, 0).merge(grid.cell(1, 0))
    found = table(saved(deck, tmp_path)).table
    assert found
    assert found.rows == (
        ("Street", "Lamps", "Lamps"),
        ("Street", "Gas", "Oil"),
        ("Lane", "12", "23"),
    )
    assert found.header_rows == 2

    deck = pptx.Presentation()
    data = CategoryChartData(number_format="0%")
    data.categories = ["Spring", "Autumn"]
    data.add_series("Ducks", (0.25, None))
    data.add_series("Geese", (0.5, 0.75))
    frame = add(deck, "Birds").shapes.add_chart(
        XL_CHART_TYPE.BAR_CLUSTERED, Inches(1), Inches(2), Inches(4), Inches(3), data
    )
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Share of birds"
    chart = table(saved(deck, tmp_path)).table
    assert chart
    assert chart.caption == "Share of birds"
    assert chart.rows == (("", "Ducks", "Geese"), ("Spring", "25%", "50%"), ("Autumn", "", "75%"))


def test_groups_are_read_whole(tmp_path):
    deck = pptx.Presentation()
    for number in (1, 2):
        slide = add(deck, f"Slide {number}")
        group = slide.shapes.add_group_shape()
        inner = group.shapes.add_group_shape()
        box = inner.shapes.add_textbox(Emu(0), Emu(0), Inches(1), Inches(1))
        box.text_frame.text = f"In group {number}"
    document = saved(deck, tmp_path)
    assert texts(document) == ["Slide 1", "In group 1", "Slide 2", "In group 2"]


def test_smart_art_is_read_in_its_order(tmp_path):
    names = f'{NAMES} xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
    points = "".join(
        f'<dgm:pt modelId="{name}" type="{kind}"><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>'
        for name, kind, text in (
            ("1", "doc", ""), ("4", "node", "Below two"), ("3", "node", "Two"), ("2", "node", "One"), ("5", "pres", "no"),
        )
    )  # fmt: skip
    links = "".join(
        f'<dgm:cxn srcId="{above}" destId="{below}" srcOrd="{place}"/>'
        for above, below, place in (("1", "2", 0), ("1", "3", 1), ("3", "4", 0))
    )
    slide = (
        f"<p:sld {names}><p:cSld><p:spTree><p:graphicFrame><a:graphic><a:graphicData>"
        '<dgm:relIds r:dm="diagramData"/></a:graphicData></a:graphic></p:graphicFrame></p:spTree></p:cSld></p:sld>'
    )
    path = pack(
        tmp_path / "a.pptx",
        {
            "ppt/presentation.xml": f'<p:presentation {NAMES}><p:sldIdLst><p:sldId id="256" r:id="slide"/></p:sldIdLst>'
            "</p:presentation>",
            "ppt/_rels/presentation.xml.rels": relations(slide="s.xml"),
            "ppt/s.xml": slide,
            "ppt/_rels/s.xml.rels": relations(diagramData="d.xml"),
            "ppt/d.xml": f"<dgm:dataModel {names}><dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst>"
            "</dgm:dataModel>",
        },
    )
    assert texts(read(path)) == ["One", "Two", "Below two"]


def test_a_slide_that_is_missing_is_told(tmp_path):
    path = pack(
        tmp_path / "a.pptx",
        {
            "ppt/presentation.xml": f'<p:presentation {NAMES}><p:sldIdLst><p:sldId id="1" r:id="slide1"/>'
            '<p:sldId id="2" r:id="slide2"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(slide1="gone.xml", slide2="s.xml"),
            "ppt/s.xml": f"<p:sld {NAMES}><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>Here</a:t></a:r></a:p>"
            "</p:txBody></p:sp></p:spTree></p:cSld></p:sld>",
        },
    )
    document = read(path)
    assert [(each.page, each.text) for each in document.elements] == [(2, "Here")]
    assert lost(document) == [("part", 1, "that are missing or damaged")]


@pytest.mark.slow
def test_a_picture_with_text_is_read_beside_other_text(tmp_path):
    deck = pptx.Presentation()
    slide = add(deck, "Fire drill", "All take part.")
    picture = io.BytesIO(files.picture("Meeting point lawn"))
    slide.shapes.add_picture(picture, Inches(1), Inches(4), Inches(6))
    document = saved(deck, tmp_path, ParseOptions())
    assert texts(document)[:2] == ["Fire drill", "All take part."]
    assert "Meeting point" in texts(document)[2]


def test_a_picture_that_is_not_read_is_counted(tmp_path):
    deck = pptx.Presentation()
    slide = add(deck, "Fire drill")
    slide.shapes.add_picture(io.BytesIO(files.picture("Lawn")), Inches(1), Inches(4), Inches(6))
    assert lost(saved(deck, tmp_path)) == [("picture", 1, "because OCR is off")]


def test_an_open_presentation_follows_the_same_rules(tmp_path):
    def slide(name: str, title: str, body: str, notes: str = "", about: str = "") -> str:
        return (
            f'<draw:page draw:name="{name}" {about}><draw:frame><draw:text-box><text:p>{body}</text:p></draw:text-box>'
            f'</draw:frame><draw:frame presentation:class="title"><draw:text-box><text:p>{title}</text:p></draw:text-box>'
            f"</draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>{notes}</text:p></draw:text-box>"
            "</draw:frame></presentation:notes></draw:page>"
        )

    styles = (
        '<style:style style:name="off" style:family="drawing-page"><style:drawing-page-properties '
        'presentation:visibility="hidden"/></style:style>'
    )
    pages = slide("a", "Fleet", "Twelve sail.", "Thank them.") + slide(
        "b", "Secret", "plan", about='draw:style-name="off"'
    )
    content = (
        f"<office:document-content {ODF_NAMES}><office:automatic-styles>{styles}</office:automatic-styles><office:body>"
        f"<office:presentation>{pages}</office:presentation></office:body></office:document-content>"
    )
    document = read(pack(tmp_path / "a.odp", {"content.xml": content}))
    assert [(each.page, each.text) for each in document.elements] == [
        (1, "Fleet"), (1, "Twelve sail."), (1, "Notes: Thank them."),
    ]  # fmt: skip
    assert lost(document) == [("hidden", 2, "in hidden slides")]
