"""What the first words of groups in rich text say: what the group is for, and where its text goes."""

from collections.abc import Callable, Mapping

from ingest.partition.rtf.flows import RtfFlow
from ingest.partition.rtf.reading import RtfReading

_SKIPPED = frozenset(
    {
        "stylesheet", "listtable", "listoverridetable", "revtbl", "rsidtbl", "generator", "fldinst", "pict",
        "objdata", "objclass", "objname", "themedata", "colorschememapping", "datastore", "latentstyles", "xmlnstbl",
        "mmathPr", "nonshppict", "filetbl", "bkmkstart", "bkmkend", "atnid", "atnauthor", "atnref", "atndate",
        "atnparent", "atnicon", "atntime", "pgdsctbl", "wgrffmtfilter", "template", "background", "ffname", "ffdeftext",
        "ffformat", "ffhelptext", "ffstattext", "ffentrymcr", "ffexitmcr", "ffl", "datafield", "formfield", "sp", "sn",
        "sv", "xe", "tc", "rxe", "private", "fname", "panose", "falt", "fontemb", "listname", "passwordhash", "ftnsep",
        "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "do", "htmltag", "mhtmltag", "userprops", "docvar",
        "blipuid", "picprop", "pntxtb", "pntxta", "xmlopen", "xmlclose", "xmlattrname", "xmlattrvalue", "factoidname",
        "protusertbl", "fchars", "lchars", "printim", "buptim", "creatim", "revtim", "objalias", "objsect", "comment",
        "keywords", "subject", "operator", "manager", "company", "category", "doccomm", "hlinkbase", "info",
    }
)  # fmt: skip
_BOXES = frozenset({"shptxt", "dptxbxtext"})
_DRAWINGS = frozenset({"shpinst", "shppict"})  # only the text in it counts
_EDGES = {"header": "header", "headerl": "header", "headerr": "header", "headerf": "header",
          "footer": "footer", "footerl": "footer", "footerr": "footer", "footerf": "footer"}  # fmt: skip
_FORMULA_SHIFTS = {"msup": "super", "msub": "sub"}
_TWINS = ("shprslt", "nonshppict")  # what stands elsewhere in a newer form


def opens_group(reading: RtfReading, word: str, *, starred: bool) -> bool:
    """Whether the word says what the group that it begins is for.

    starred: whoever does not know the word is to pass over the group.
    """
    opener = _OPENERS.get(word)
    if opener is not None and opener(reading, word, starred):
        return True
    if reading.state.in_formula and _is_of_formula(reading, word):
        return True
    if word in _DRAWINGS:
        reading.state.flow = None
        return True
    if word in _SKIPPED or starred:
        _pass_over(reading, word)
        return True
    return False


def _is_of_formula(reading: RtfReading, word: str) -> bool:
    if word.endswith("Pr") or word == "mmathPict":
        reading.state.flow = None
        return True
    if word in _FORMULA_SHIFTS:
        reading.state.shift = _FORMULA_SHIFTS[word]
        return True
    return False


def _pass_over(reading: RtfReading, word: str) -> None:
    state = reading.state
    if word == "pict" and state.place not in _TWINS:
        reading.pictures += 1
    kept = word if word in _TWINS else state.place
    state.flow, state.place = None, kept if kept in (*_TWINS, "stylesheet") else ""


# --- by word: whether it opens the group ----------------------------------------------------------


def _open_result(reading: RtfReading, word: str, starred: bool) -> bool:
    """What a field shows; what an object shows goes where the object goes."""
    return _counts(reading, starred) and (word == "result" or _go_on_outside(reading))


def _open_box(reading: RtfReading, word: str, starred: bool) -> bool:
    if not _counts(reading, starred):
        return False
    _go_on_outside(reading)
    return _open_flow(reading, "box")


def _open_info(reading: RtfReading, word: str, starred: bool) -> bool:
    if reading.state.place == "shprslt":
        return False
    reading.state.place, reading.state.flow = word, None
    return True


def _counts(reading: RtfReading, starred: bool) -> bool:
    """Whether text counts although it stands inside a group that is passed over."""
    state = reading.state
    return state.place != "shprslt" and (state.flow is None or starred)


def _go_on_outside(reading: RtfReading) -> bool:
    """Lets text go to where that of a group around goes."""
    around = (one.flow for one in reversed(reading.stack) if one.flow is not None)
    reading.state.flow, reading.state.place = next(around, reading.body), ""
    return True


def _open_note(reading: RtfReading, word: str, starred: bool) -> bool:
    if not _open_flow(reading, word):
        return False
    reading.state.hidden, reading.state.shift = False, ""
    return True


def _open_flow(reading: RtfReading, kind: str) -> bool:
    """A flow of its own for the group, which stands after the paragraph around it."""
    flow = reading.state.flow
    if flow is None:
        return False
    inner = RtfFlow(reading.work, kind, len(reading.stack))
    flow.notes.append(inner)
    reading.state.flow = inner
    return True


def _open_edge(reading: RtfReading, word: str, starred: bool) -> bool:
    if reading.state.flow is None:
        return False
    edge = RtfFlow(reading.work, _EDGES[word], len(reading.stack))
    reading.edges[edge.kind].append(edge)
    reading.state.flow = edge
    return True


def _open_table(reading: RtfReading, word: str, starred: bool) -> bool:
    """A table of fonts, styles or colours, or the same drawing once more, for old programs."""
    reading.state.flow, reading.state.place = None, word
    return True


def _open_list_text(reading: RtfReading, word: str, starred: bool) -> bool:
    reading.state.place = "listtext"
    return True


def _open_formula(reading: RtfReading, word: str, starred: bool) -> bool:
    reading.state.in_formula = reading.state.flow is not None
    return True


def _open_alternatives(reading: RtfReading, word: str, starred: bool) -> bool:
    reading.state.alternative = 1
    return True


_OPENERS: Mapping[str, Callable[[RtfReading, str, bool], bool]] = {
    **dict.fromkeys(("shprslt", "fonttbl", "stylesheet", "colortbl"), _open_table),
    **dict.fromkeys(_BOXES, _open_box),
    **dict.fromkeys(("ud", "fldrslt", "result"), _open_result),
    **dict.fromkeys(("title", "author"), _open_info),
    **dict.fromkeys(("footnote", "annotation"), _open_note),
    **dict.fromkeys(_EDGES, _open_edge),
    **dict.fromkeys(("listtext", "pntext"), _open_list_text),
    **dict.fromkeys(("mmath", "moMath", "moMathPara"), _open_formula),
    "upr": _open_alternatives,
}
