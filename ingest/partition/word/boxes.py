"""What stands beside the running text of Word files: text boxes, notes, comments, parts in other
formats.
"""

from lxml import etree

from ingest.partition.encodings import clean
from ingest.partition.office.package import local, release, value_of
from ingest.partition.office.story import Handlers, name_note
from ingest.partition.word.paragraphs import close_flow
from ingest.partition.word.state import WordFlow, WordStory


def _start_box(story: WordStory, node: etree._Element) -> None:
    story.begin("box", _finish_box)
    story.flows.append(WordFlow(boxed=True))


def _end_box(story: WordStory, node: etree._Element) -> None:
    if finish := story.end("box"):
        finish(story)
    node.clear()


def _finish_box(story: WordStory) -> None:
    inner = close_flow(story)
    into = story.paragraphs[-1].anchored if story.paragraphs else story.flow.elements
    into += inner.elements


def _start_note(story: WordStory, node: etree._Element) -> None:
    story.begin("note", _finish_note)
    story.flows.append(WordFlow())


def _end_note(story: WordStory, node: etree._Element) -> None:
    if story.end("note"):
        found = close_flow(story).elements + story.after
        story.after = []
        story.notes[value_of(node, "id") or ""] = name_note(_name_of(node), found)
    release(node)


def _name_of(node: etree._Element) -> str:
    name = local(node)
    author = clean(value_of(node, "author") or "").strip() if name == "comment" else ""
    return f"Comment by {author}" if author else name.capitalize()


def _finish_note(story: WordStory) -> None:
    """A note without an end is a part of the body."""
    story.elements.extend(story.flows.pop().elements)


def _end_alternative_format(story: WordStory, node: etree._Element) -> None:
    kind, target = story.relations.get(value_of(node, "id") or "", ("", ""))
    if kind and not story.skipped:
        story.flow.elements += story.read_relation(kind, target)


BOXES: Handlers[WordStory] = {
    ("start", "txbxContent"): _start_box,
    ("end", "txbxContent"): _end_box,
    ("start", "footnote"): _start_note,
    ("end", "footnote"): _end_note,
    ("start", "endnote"): _start_note,
    ("end", "endnote"): _end_note,
    ("start", "comment"): _start_note,
    ("end", "comment"): _end_note,
    ("end", "altChunk"): _end_alternative_format,
}
