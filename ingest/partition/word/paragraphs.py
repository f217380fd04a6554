"""Paragraphs of Word files: what is said of them, and the elements that they become."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from lxml import etree

from indexes.text.sentences import ends_clause
from ingest.elements import Element
from ingest.partition.encodings import clean
from ingest.partition.notation import lowered, raised
from ingest.partition.office.package import child, number_of, release, value_of
from ingest.partition.office.story import Handlers
from ingest.partition.word.looks import fill_of
from ingest.partition.word.state import Paragraph, TextRun, WordFlow, WordStory
from ingest.partition.word.styles import WordStyle

MAX_HEADING_CHARS = 100  # of a line in bold that stands for a heading


def _start(story: WordStory, node: etree._Element) -> None:
    story.blocks += 1
    story.begin("p", _finish)
    story.paragraphs.append(Paragraph())


def _read_properties(story: WordStory, node: etree._Element) -> None:
    if not story.paragraphs:
        return
    paragraph = story.paragraphs[-1]
    style = story.styles.style(value_of(child(node, "pStyle")))
    outline = value_of(child(node, "outlineLvl"))
    level = number_of(outline, 9) if outline is not None else None
    paragraph.style = style
    paragraph.level = style.level if level is None else level + 1 if level < 9 else None
    paragraph.numbering = _numbering_of(child(node, "numPr"), style)
    paragraph.shaded = style.shaded or fill_of(node) is not None
    mark = child(node, "rPr")
    paragraph.end_deleted = child(mark, "del") is not None or child(mark, "moveFrom") is not None


def _numbering_of(about: etree._Element | None, style: WordStyle) -> tuple[str, int] | None:
    number, level = value_of(child(about, "numId")), value_of(child(about, "ilvl"))
    if number is None:
        if style.numbering is None or level is None:
            return style.numbering
        return style.numbering[0], number_of(level)
    return None if number == "0" else (number, number_of(level))


def _end(story: WordStory, node: etree._Element) -> None:
    if finish := story.end("p"):
        finish(story)
    release(node)


def _finish(story: WordStory) -> None:
    paragraph, flow = story.paragraphs.pop(), story.flow
    if any(story.fields) and paragraph.instructions:  # a field that never came to its result
        paragraph.runs += [TextRun(text) for text in paragraph.instructions]
        story.fields = [False] * len(story.fields)
    if paragraph.runs or paragraph.anchored or paragraph.numbering or flow.carried:
        runs, flow.carried = flow.carried + paragraph.runs, []
        if paragraph.end_deleted and not story.skipped:
            flow.carried = runs
        else:
            _emit(story, flow, paragraph, runs)
        flow.elements += paragraph.anchored
    story.end_block()


def close_flow(story: WordStory) -> WordFlow:
    """Ends the innermost flow."""
    flow = story.flows.pop()
    settle(story, flow)
    return flow


def settle(story: WordStory, flow: WordFlow) -> None:
    """Ends a paragraph whose end was deleted and that nothing follows."""
    if flow.carried:
        runs, flow.carried = flow.carried, []
        _emit(story, flow, Paragraph(plain=True), runs)


def _emit(story: WordStory, flow: WordFlow, paragraph: Paragraph, runs: list[TextRun]) -> None:
    text = _seen_text(story, runs)
    if paragraph.readings:
        text = f"{text} ({'; '.join(paragraph.readings)})"
    counts = paragraph.numbering and not story.skipped and (text or not runs)
    label = story.numbering.label(*paragraph.numbering) if paragraph.numbering and counts else ""
    if story.skipped or not text:
        return
    element = _element(story, paragraph, f"{label} {text}" if label else text)
    before = flow.elements[-1] if flow.elements else None
    if before is not None and before.kind == element.kind == "code":
        flow.elements[-1] = replace(before, text=f"{before.text}\n{text}")
    else:
        flow.elements.append(element)
    flow.caption = element if paragraph.style.caption else None
    story.made += 1


def _element(story: WordStory, paragraph: Paragraph, text: str) -> Element:
    level = paragraph.level
    if level is not None:
        story.above = level
    elif len(story.flows) == 1 and _stands_for_heading(paragraph, text):
        level = min(story.above + 1, 9)
    if level is not None:
        return Element(kind="heading", text=" ".join(text.split()), level=level)
    if paragraph.numbering:
        return Element(kind="list", text=text)
    return Element(kind="code" if paragraph.style.code else "text", text=text)


def _stands_for_heading(paragraph: Paragraph, text: str) -> bool:
    """Whether it is a short line in bold, which is how many people write headings."""
    return (
        not paragraph.plain
        and not paragraph.numbering
        and not paragraph.style.caption
        and len(text) <= MAX_HEADING_CHARS
        and "\n" not in text
        and "\t" not in text
        and not ends_clause(text)
        and any(char.isalpha() for char in text)
    )


def _seen_text(story: WordStory, runs: list[TextRun]) -> str:
    parts: list[str] = []
    for why, group in groupby(runs, key=attrgetter("why")):
        text = _written(group)
        if not why:
            parts.append(text)
        elif not story.skipped and (shown := story.work.hide(text, why)):
            parts.append(f" {shown} ")
    return clean("".join(parts)).replace("\u00ad", "").strip()


def _written(runs: Iterable[TextRun]) -> str:
    """Their letters, with signs for what is raised and lowered: ten to the sixth is not 106."""
    text = ""
    parts: list[str] = []
    for shift, group in groupby(runs, key=attrgetter("shift")):
        own = "".join(run.text for run in group)
        if own.strip() and shift in ("superscript", "subscript"):
            own = (raised if shift == "superscript" else lowered)(text, own)
        text = own or text
        parts.append(own)
    return "".join(parts)


PARAGRAPHS: Handlers[WordStory] = {
    ("start", "p"): _start,
    ("end", "pPr"): _read_properties,
    ("end", "p"): _end,
}
