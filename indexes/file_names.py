"""Names of files: which are passed over, and under which an upload may be kept."""

import re
import unicodedata
from fnmatch import translate
from pathlib import PurePosixPath

from indexes.confusables import shapes
from indexes.errors import BadInput
from indexes.formats import UNREAD_ENDINGS
from indexes.lookalikes import ACCESS_FILE, find_lookalikes

IGNORED = (
    "~$*",
    "*~",
    "#*#",
    "*.swp",
    "*.swo",
    "*.crdownload",
    "*.part",
    "thumbs.db",
    "desktop.ini",
    "__macosx",
)
MAX_PATH_CHARS = 1_000  # of an upload inside its source
MAX_DEPTH = 30
MAX_NAME_BYTES = 200  # file systems take 255, and a name gets something added while it is written
_IGNORED = re.compile("|".join(map(translate, IGNORED)))
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_SEPARATORS = frozenset("/\\:")  # of one system or another
_REMEDY = "Send another `path`, such as reports/2026/march.pdf."


def is_ignored(name: str) -> bool:
    """Whether editors and systems leave such files behind, or hide them."""
    return name.startswith(".") or _IGNORED.match(name.lower()) is not None


def upload_path(path: str) -> tuple[str, ...]:
    """The way down from the root of a source to an upload, in NFC.

    Raises BadInput for what leads elsewhere, says who may read its neighbours, would be passed over
    by a run, or cannot be seen.
    """
    if not 1 <= len(path) <= MAX_PATH_CHARS:
        told = f"The path has {len(path)} characters; 1 to {MAX_PATH_CHARS} are accepted."
        raise BadInput(told, remedy=_REMEDY)
    parts = tuple(unicodedata.normalize("NFC", path).split("/"))
    if len(parts) > MAX_DEPTH:
        raise BadInput(f"The path is more than {MAX_DEPTH} folders deep.", remedy=_REMEDY)
    for part in parts:
        if wrong := _name_problem(part):
            raise BadInput(f"{ascii(part)[:80]} in the path {wrong}.", remedy=_REMEDY)
    ending = PurePosixPath(parts[-1]).suffix.lower()
    if ending in UNREAD_ENDINGS:
        told = f"Files ending in {ending} cannot be read."
        raise BadInput(told, remedy="Send text, a page, an office file, a PDF, mail or an archive.")
    return parts


def taken_for(name: str, there: list[str]) -> str | None:
    """One of the names in a folder that people could take for this one, or None."""
    own = shapes(name)
    return next((other for other in there if other != name and own & shapes(other)), None)


def _name_problem(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "is no name"
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if any(unicodedata.category(mark) in _UNSEEN for mark in name):
        return "has control, invisible or unassigned characters"
    if any(mark in _SEPARATORS for mark in name):
        return "has a character that separates names"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space, or ends with a dot"
    if name == ACCESS_FILE or find_lookalikes([name]):
        return "is the name of a rule, or looks like one"
    if is_ignored(name):
        return "is hidden, or what editors and systems leave behind"
    return None
