"""Paragraphs, headings and lists of OpenDocument files, and the sections and changes around them."""

from collections.abc import Mapping
from itertools import chain

from lxml import etree

from ingest.partition.odf.state import OdfStory, release_in_place
from ingest.partition.odf.text import ParagraphText, squeeze
from ingest.partition.office.package import local, number_of, release, value_of
from ingest.partition.office.story import Handlers

DELETED, HIDDEN_SECTION = "in tracked deletions", "in hidden sections"
_DRAWING = "xmlns:drawing:"  # of names of text boxes, shapes and slides
_TITLES: Mapping[str, int] = {"Title": 1, "Subtitle": 2}
_MARGINS = ("header", "footer", "date-time", "page-number")


def _end_style(story: OdfStory, node: etree._Element) -> None:
    story.styles.add(node)


def _end_page_layout(story: OdfStory, node: etree._Element) -> None:
    story.styles.add_page(node)


def _end_paragraph(story: OdfStory, node: etree._Element) -> None:
    story.blocks += 1
    style = value_of(node, "style-name")
    if story.deleted:
        story.work.hide("".join(node.itertext()), DELETED)
    elif text := _seen_text(story, node, style):
        _emit(story, text, node, style)
    story.end_block()
    release_in_place(node)


def _seen_text(story: OdfStory, node: etree._Element, style: str | None) -> str:
    said = ParagraphText(node, story.styles, style, on_white=_is_on_page(story, node))
    seen, unseen = said.seen, said.unseen
    if any(story.hidden_sections):
        seen, unseen = [], {HIDDEN_SECTION: [*chain.from_iterable(unseen.values()), *seen]}
    shown = [story.work.hide("".join(parts), why) for why, parts in unseen.items()]
    text = " ".join(filter(None, [squeeze("".join(seen)), *shown]))
    return (f"{text} ({'; '.join(said.readings)})" if said.readings and text else text).strip()


def _is_on_page(story: OdfStory, node: etree._Element) -> bool:
    """Whether a paragraph stands on nothing but the page: in no table, drawing or coloured section."""
    for around in node.iterancestors():
        if _DRAWING in around.tag or local(around) in ("table-cell", "covered-table-cell"):
            return False
        if local(around) == "section" and story.styles.fills(
            "section", value_of(around, "style-name")
        ):
            return False
    return True


def _emit(story: OdfStory, text: str, node: etree._Element, style: str | None) -> None:
    frame = story.frames[-1] if story.slide and story.frames else ""
    if frame in _MARGINS:
        if frame == "page-number" or text in story.told:
            return
        story.told.add(text)
    level = _level_of(story, node, style, frame)
    if level is not None and not story.grids:
        line = " ".join(text.split())
        story.flow.elements.append(story.element("heading", line, min(max(level, 1), 9)))
    else:
        story.flow.elements.append(story.element("list" if story.lists else "text", text))


def _level_of(story: OdfStory, node: etree._Element, style: str | None, frame: str) -> int | None:
    """Of a heading; None if it is none. frame: what the frame around it is, on a slide."""
    if frame == "title" and not story.titled and not story.grids:
        story.titled = True
        return 1
    if local(node) == "h":
        return number_of(value_of(node, "outline-level"), 1)
    if story.slide:
        return None
    return next((_TITLES[name] for name in story.styles.names(style) if name in _TITLES), None)


def _start_item(story: OdfStory, node: etree._Element) -> None:
    story.lists += 1


def _end_item(story: OdfStory, node: etree._Element) -> None:
    story.lists -= 1
    release_in_place(node)


def _start_changes(story: OdfStory, node: etree._Element) -> None:
    story.deleted += 1


def _end_changes(story: OdfStory, node: etree._Element) -> None:
    story.deleted -= 1
    release(node)


def _start_section(story: OdfStory, node: etree._Element) -> None:
    hides = value_of(node, "display") == "none" or value_of(node, "is-hidden") == "true"
    story.hidden_sections.append(hides)


def _end_section(story: OdfStory, node: etree._Element) -> None:
    if story.hidden_sections:
        story.hidden_sections.pop()


PARAGRAPHS: Handlers[OdfStory] = {
    ("end", "style"): _end_style,
    ("end", "page-layout"): _end_page_layout,
    ("end", "p"): _end_paragraph,
    ("end", "h"): _end_paragraph,
    ("start", "list-item"): _start_item,
    ("end", "list-item"): _end_item,
    ("start", "list-header"): _start_item,
    ("end", "list-header"): _end_item,
    ("start", "tracked-changes"): _start_changes,
    ("end", "tracked-changes"): _end_changes,
    ("start", "section"): _start_section,
    ("end", "section"): _end_section,
}
