"""How letters of Word files look: whether a reader sees them, and whether they are in bold."""

from lxml import etree

from ingest.partition.office.package import child, is_on, number_of, value_of
from ingest.partition.word.state import Paragraph, WordStory
from ingest.partition.word.styles import WordStyle

TINY = 2  # half points: letters that nobody can read
WHITE = "FFFFFF"
DELETED, VANISHED, UNSEEN, DOT = (
    "in tracked deletions", "in hidden characters", "in white on white", "in letters of one point or less",
)  # fmt: skip


def why_unseen(
    story: WordStory, about: etree._Element | None, style: WordStyle, paragraph: Paragraph
) -> str:
    """Why no reader sees a run; "" if one does. about: the properties of the run."""
    if story.deleted:
        return DELETED
    vanish = child(about, "vanish")
    if is_on(vanish) if vanish is not None else style.hidden or paragraph.style.hidden:
        return VANISHED
    size = value_of(child(about, "sz")) or style.size or paragraph.style.size
    if 0 < number_of(size, TINY + 1) <= TINY:
        return DOT
    colour = value_of(child(about, "color")) or style.colour or paragraph.style.colour
    white = colour.upper() == WHITE and not style.shaded
    return UNSEEN if white and _is_on_white(story, about, paragraph) else ""


def _is_on_white(story: WordStory, about: etree._Element | None, paragraph: Paragraph) -> bool:
    return (
        not paragraph.shaded
        and not story.flow.boxed
        and not any(table.shaded for table in story.tables)
        and fill_of(about) is None
        and child(about, "highlight") is None
    )


def is_bold(about: etree._Element | None, style: WordStyle, paragraph: Paragraph) -> bool:
    bold = child(about, "b")
    return is_on(bold) if bold is not None else style.bold or paragraph.style.bold


def fill_of(about: etree._Element | None) -> str | None:
    """The colour behind it; None if it is that of the page."""
    shade = child(about, "shd")
    fill = value_of(shade, "fill")
    dark = value_of(shade) not in (None, "clear", "nil")
    return "pattern" if dark else fill if fill not in (None, "auto", WHITE) else None
