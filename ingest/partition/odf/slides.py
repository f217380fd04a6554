"""Slides of OpenDocument presentations: the title of each first, notes after it."""

from lxml import etree

from ingest.partition.odf.state import OdfStory, start_flow
from ingest.partition.office.package import release, value_of
from ingest.partition.office.story import Handlers

HIDDEN_SLIDE = "in hidden slides"


def _start_page(story: OdfStory, node: etree._Element) -> None:
    story.slide += 1
    story.titled = False
    story.slide_hidden = story.styles.hides("drawing-page", value_of(node, "style-name"))
    start_flow(story, node)


def _end_page(story: OdfStory, node: etree._Element) -> None:
    found = story.close_flow()
    titles = [each for each in found if each.kind == "heading"][:1]
    others = [each for each in found if each not in titles]
    for element in [*titles, *others]:
        if not story.slide_hidden:
            story.elements.append(element)
        elif shown := story.work.hide(element.text, HIDDEN_SLIDE):
            story.elements.append(story.element("text", shown))
    release(node)


def _start_frame(story: OdfStory, node: etree._Element) -> None:
    story.frames.append(value_of(node, "class") or "")


def _end_frame(story: OdfStory, node: etree._Element) -> None:
    if story.frames:
        story.frames.pop()


def _end_speaker_notes(story: OdfStory, node: etree._Element) -> None:
    lines = [each.text for each in story.close_flow()]
    if lines:
        story.after.append(story.element("text", "Notes: " + "\n".join(lines)))
        story.flush()
    node.clear()


SLIDES: Handlers[OdfStory] = {
    ("start", "page"): _start_page,
    ("end", "page"): _end_page,
    ("start", "frame"): _start_frame,
    ("end", "frame"): _end_frame,
    ("start", "notes"): start_flow,
    ("end", "notes"): _end_speaker_notes,
}
