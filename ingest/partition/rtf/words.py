"""What the words of rich text do to the letters and paragraphs that follow."""

from collections.abc import Callable, Mapping

from ingest.partition.rtf.flows import RtfFlow
from ingest.partition.rtf.fonts import codec_of_page
from ingest.partition.rtf.reading import RtfReading

RAISED = 3  # half points: letters moved by more are raised or lowered
MAX_SKIP = 100
_SIGNS = {
    "line": "\v", "tab": "\t", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ", "softline": "\v", "zwj": "\u200d",
    "zwnj": "\u200c",
}  # fmt: skip
_CODE_PAGES = {"mac": "mac-roman", "pc": "cp437", "pca": "cp850"}

Change = Callable[[RtfReading, str, int | None], None]
Shape = Callable[[RtfFlow, str, int | None], None]

# --- letters --------------------------------------------------------------------------------------


def _write_sign(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.flow is not None:
        reading.write(_SIGNS[word])


def _set_font(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.place == "fonttbl":
        reading.fonts.define(number or 0)
    else:
        reading.state.font = number if number is not None else reading.fonts.default


def _set_wide_font(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.wide_font == -2:
        reading.state.wide_font = number if number is not None else -1


def _expect_wide_font(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.wide_font = -2 if word == "dbch" else -1


def _set_unicode_skip(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.unicode_skip = max(0, min(number if number is not None else 1, MAX_SKIP))


def _set_hidden(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.hidden = number != 0


def _set_deleted(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.deleted = number != 0


def _set_shift(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.shift = word if number != 0 and word != "nosupersub" else ""


def _set_height(reading: RtfReading, word: str, number: int | None) -> None:
    moved = {"up": "super", "dn": "sub"}[word]
    reading.state.shift = moved if number and number > RAISED else ""


def _reset_letters(reading: RtfReading, word: str, number: int | None) -> None:
    state = reading.state
    state.hidden = state.deleted = state.shaded = False
    state.colour = 0
    state.shift, state.font = "", reading.fonts.default


def _set_colour(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.colour = number or 0


def _set_ground(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.shaded = bool(number)


def _set_only_rtf(reading: RtfReading, word: str, number: int | None) -> None:
    reading.state.only_rtf = number != 0


# --- tables of fonts, colours and styles ----------------------------------------------------------


def _set_code_page(reading: RtfReading, word: str, number: int | None) -> None:
    if word in _CODE_PAGES:
        reading.fonts.code_page = _CODE_PAGES[word]
    elif number:
        reading.fonts.code_page = codec_of_page(number)


def _set_default_font(reading: RtfReading, word: str, number: int | None) -> None:
    reading.fonts.default = number if number is not None else -1
    reading.state.font = reading.fonts.default


def _set_charset(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.place == "fonttbl":
        reading.fonts.set_charset(number)


def _set_font_page(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.place == "fonttbl":
        reading.fonts.set_page(number or 0)


def _add_to_colour(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.place == "colortbl":
        reading.parts_of_colour.append(max(0, min(number or 0, 255)))


def _set_style(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.state.place == "stylesheet":
        reading.style = number or 0
    elif reading.state.flow is not None:
        reading.state.flow.level = reading.levels.get(number or 0, 0)


WORDS: Mapping[str, Change] = {
    **dict.fromkeys(_SIGNS, _write_sign),
    "f": _set_font,
    "af": _set_wide_font,
    **dict.fromkeys(("dbch", "loch", "hich"), _expect_wide_font),
    "uc": _set_unicode_skip,
    "v": _set_hidden,
    "deleted": _set_deleted,
    **dict.fromkeys(("super", "sub", "nosupersub"), _set_shift),
    **dict.fromkeys(("up", "dn"), _set_height),
    "plain": _reset_letters,
    "cf": _set_colour,
    **dict.fromkeys(("highlight", "cb", "chcbpat", "chshdng"), _set_ground),
    "htmlrtf": _set_only_rtf,
    **dict.fromkeys(("ansicpg", *_CODE_PAGES), _set_code_page),
    "deff": _set_default_font,
    "fcharset": _set_charset,
    "cpg": _set_font_page,
    **dict.fromkeys(("red", "green", "blue"), _add_to_colour),
    "s": _set_style,
}

# --- paragraphs and tables ------------------------------------------------------------------------


def _set_level(flow: RtfFlow, word: str, number: int | None) -> None:
    if number is not None and number < 9:
        flow.level = number + 1


def _set_list(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.in_list = True


def _set_paragraph_ground(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.shaded = bool(number)


def _define_cell(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.table.define_cell(number or 0)


def _merge_cell(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.table.merge_next(word)


def _end_cell(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.move_to_table()
    flow.table.end_cell()


def _end_nested_cell(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.move_to_table()
    flow.table.add("\v")


def _end_row(flow: RtfFlow, word: str, number: int | None) -> None:
    flow.move_to_table()
    flow.table.end_row()
    flow.in_table = False


PARAGRAPH_WORDS: Mapping[str, Shape] = {
    "par": lambda flow, word, number: flow.end_line(),
    **dict.fromkeys(("sect", "page", "column"), lambda flow, word, number: flow.end_paragraph()),
    "pard": lambda flow, word, number: flow.begin_paragraph(),
    "outlinelevel": _set_level,
    **dict.fromkeys(("ls", "pnlvlblt", "pnlvlbody"), _set_list),
    **dict.fromkeys(("cbpat", "shading"), _set_paragraph_ground),
    "intbl": lambda flow, word, number: flow.begin_row_text(),
    "trowd": lambda flow, word, number: flow.table.begin_definition(),
    "trhdr": lambda flow, word, number: flow.table.is_header(),
    "cellx": _define_cell,
    **dict.fromkeys(("clvmgf", "clvmrg", "clmgf", "clmrg"), _merge_cell),
    "cell": _end_cell,
    "nestcell": _end_nested_cell,
    "row": _end_row,
    "nestrow": lambda flow, word, number: flow.move_to_table(),
}
