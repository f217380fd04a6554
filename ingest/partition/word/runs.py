"""What stands in the lines of a paragraph of Word: letters, fields, symbols, formulas, references."""

from collections.abc import Callable, Mapping

from lxml import etree

from ingest.elements import Element
from ingest.partition.encodings import clean
from ingest.partition.office.omml import linear_text
from ingest.partition.office.package import child, is_on, local, number_of, release, value_of
from ingest.partition.office.story import Handlers
from ingest.partition.word.looks import DELETED, is_bold, why_unseen
from ingest.partition.word.state import Paragraph, TextRun, WordStory
from ingest.partition.word.symbols import symbol

_SIGNS: Mapping[str, str] = {
    "tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-",
}  # fmt: skip


def _end_run(story: WordStory, node: etree._Element) -> None:
    if "/math" in node.tag or "}math" in node.tag:
        return
    if story.paragraphs and not story.skipped:
        paragraph = story.paragraphs[-1]
        about = child(node, "rPr")
        style = story.styles.style(value_of(child(about, "rStyle")))
        why = why_unseen(story, about, style, paragraph)
        paragraph.shift = value_of(child(about, "vertAlign")) or style.shift
        for piece in node.iter():
            _read_piece(story, piece, paragraph, why)
        paragraph.shift = ""
        has_text = child(node, "t") is not None
        if has_text and not why and not is_bold(about, style, paragraph):
            paragraph.plain = True
    release(node)


def _read_piece(story: WordStory, piece: etree._Element, paragraph: Paragraph, why: str) -> None:
    name = local(piece)
    if name in _SIGNS:
        _say(story, paragraph, _SIGNS[name], why)
    elif name in ("t", "delText"):
        _say(story, paragraph, piece.text or "", DELETED if name == "delText" else why)
    elif name in _PIECES:
        _PIECES[name](story, piece, paragraph, why)


def _say(story: WordStory, paragraph: Paragraph, text: str, why: str) -> None:
    if any(story.fields):
        paragraph.instructions.append(text)
    elif paragraph.ruby_text is not None:
        paragraph.ruby_text.append(text)
    else:
        paragraph.runs.append(TextRun(text, why, paragraph.shift))


def _read_field_sign(
    story: WordStory, piece: etree._Element, paragraph: Paragraph, why: str
) -> None:
    kind = value_of(piece, "fldCharType")
    if kind == "begin":
        form = child(piece, "ffData")
        if form is not None:
            _say(story, paragraph, _form_value(form), why)
        story.fields.append(True)
    elif kind == "separate" and story.fields:
        story.fields[-1] = False
    elif kind == "end" and story.fields:
        story.fields.pop()
    if not any(story.fields):
        paragraph.instructions.clear()


def _form_value(form: etree._Element) -> str:
    """What an old form field shows that has no text of its own: a box, a choice."""
    box = child(form, "checkBox")
    if box is not None:
        checked = child(box, "checked")
        checked = checked if checked is not None else child(box, "default")
        return "☒" if is_on(checked) else "☐"
    choices = child(form, "ddList")
    if choices is not None:
        entries = [value_of(each) or "" for each in choices.iterchildren("{*}listEntry")]
        chosen = number_of(value_of(child(choices, "result")))
        return clean(entries[chosen]) if 0 <= chosen < len(entries) else ""
    return ""


def _read_symbol(story: WordStory, piece: etree._Element, paragraph: Paragraph, why: str) -> None:
    font = value_of(piece, "font") or ""
    sign = symbol(font, value_of(piece, "char") or "")
    if sign is None:
        story.work.lose("undecodable", 1, "symbols", f"of the font {font}")
    else:
        _say(story, paragraph, sign, why)


def _read_note_reference(
    story: WordStory, piece: etree._Element, paragraph: Paragraph, why: str
) -> None:
    key = f"{local(piece).removesuffix('Reference')}s {value_of(piece, 'id')}"
    if key not in story.used and not why:
        story.used.add(key)
        story.after += story.referred.get(key, [])


def _read_relation(story: WordStory, piece: etree._Element, paragraph: Paragraph, why: str) -> None:
    """A picture, a chart, a diagram or an embedded file, which stands after this block."""
    what = local(piece)
    if what == "imagedata" and any(local(above) == "object" for above in piece.iterancestors()):
        return  # the icon or the preview of an embedded file
    name = value_of(piece, {"blip": "embed", "relIds": "dm"}.get(what, "id")) or ""
    kind, target = story.relations.get(name, ("", ""))
    if kind and not story.deleted:
        found = story.read_relation(kind, target)
        story.after += found
        story.made += len(found)


def _read_word_art(story: WordStory, piece: etree._Element, paragraph: Paragraph, why: str) -> None:
    text = clean(piece.get("string") or "").strip()
    if text:
        paragraph.anchored.append(Element(kind="text", text=text))
        story.made += 1


_PIECES: Mapping[str, Callable[[WordStory, etree._Element, Paragraph, str], None]] = {
    "fldChar": _read_field_sign,
    "sym": _read_symbol,
    "footnoteReference": _read_note_reference,
    "endnoteReference": _read_note_reference,
    "commentReference": _read_note_reference,
    "blip": _read_relation,
    "imagedata": _read_relation,
    "chart": _read_relation,
    "relIds": _read_relation,
    "OLEObject": _read_relation,
    "textpath": _read_word_art,
}


# --- formulas and readings ------------------------------------------------------------------------


def _end_formula(story: WordStory, node: etree._Element) -> None:
    if story.paragraphs and not story.skipped:
        paragraph = story.paragraphs[-1]
        _say(story, paragraph, linear_text(node), DELETED if story.deleted else "")
        paragraph.plain = True
    node.clear()


def _start_reading(story: WordStory, node: etree._Element) -> None:
    if story.paragraphs:
        story.paragraphs[-1].ruby_text = []


def _end_reading(story: WordStory, node: etree._Element) -> None:
    if story.paragraphs:
        paragraph = story.paragraphs[-1]
        paragraph.readings.append("".join(paragraph.ruby_text or ()).strip())
        paragraph.ruby_text = None


def _start_ruby_base(story: WordStory, node: etree._Element) -> None:
    if story.paragraphs:
        story.paragraphs[-1].base_at = len(story.paragraphs[-1].runs)


def _end_ruby(story: WordStory, node: etree._Element) -> None:
    if story.paragraphs and story.paragraphs[-1].readings:
        paragraph = story.paragraphs[-1]
        base = "".join(run.text for run in paragraph.runs[paragraph.base_at :])
        paragraph.readings[-1] = f"{base}: {paragraph.readings[-1]}"
    node.clear()


RUNS: Handlers[WordStory] = {
    ("end", "r"): _end_run,
    ("end", "oMath"): _end_formula,
    ("start", "rt"): _start_reading,
    ("end", "rt"): _end_reading,
    ("start", "rubyBase"): _start_ruby_base,
    ("end", "ruby"): _end_ruby,
}
