"""What stands beside the running text of OpenDocument files: notes, comments, boxes, margins,
pictures and objects.
"""

from lxml import etree

from ingest.elements import Element
from ingest.partition.encodings import clean
from ingest.partition.odf.objects import image_elements, object_elements
from ingest.partition.odf.state import OdfStory, start_flow
from ingest.partition.office.package import child, value_of
from ingest.partition.office.story import Handlers, as_line, name_note


def _end_note(story: OdfStory, node: etree._Element) -> None:
    kind = value_of(node, "note-class") or "footnote"
    story.after += name_note(kind.capitalize(), story.close_flow())
    node.clear(keep_tail=True)


def _end_annotation(story: OdfStory, node: etree._Element) -> None:
    author = child(node, "creator")
    by = clean(author.text or "").strip() if author is not None else ""
    story.after += name_note(f"Comment by {by}" if by else "Comment", story.close_flow())
    node.clear(keep_tail=True)


def _end_box(story: OdfStory, node: etree._Element) -> None:
    inner = story.close_flow()
    if story.slide or story.grids:
        story.flow.elements += inner
    else:
        story.after += inner
    node.clear(keep_tail=True)


def _end_margin(story: OdfStory, node: etree._Element) -> None:
    story.margins += map(as_line, story.close_flow())
    node.clear()


def _end_forms(story: OdfStory, node: etree._Element) -> None:
    story.close_flow()
    node.clear()


def _end_image(story: OdfStory, node: etree._Element) -> None:
    if not story.deleted:
        _add(story, image_elements(story.package, story.pictures, node, story.page))


def _end_object(story: OdfStory, node: etree._Element) -> None:
    _add(story, object_elements(story.package, story.work, node, story.page))


def _add(story: OdfStory, found: list[Element]) -> None:
    if story.slide:
        story.flow.elements += found
    else:
        story.after += found


INSETS: Handlers[OdfStory] = {
    ("start", "note"): start_flow,
    ("end", "note"): _end_note,
    ("start", "annotation"): start_flow,
    ("end", "annotation"): _end_annotation,
    ("start", "text-box"): start_flow,
    ("end", "text-box"): _end_box,
    ("start", "header"): start_flow,
    ("end", "header"): _end_margin,
    ("start", "footer"): start_flow,
    ("end", "footer"): _end_margin,
    ("start", "forms"): start_flow,
    ("end", "forms"): _end_forms,
    ("end", "image"): _end_image,
    ("end", "object"): _end_object,
}
