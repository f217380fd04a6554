"""Files whose names look like that of a rule.

If one were ignored, a wider rule could stay in force.

Whoever writes `access.yaml` means to say who may read this folder. So such a folder is refused
until the file has the one right name, or one that no reader takes for it.
"""

import re
from collections.abc import Iterable

from indexes.confusables import edit_distance, plain_letters
from indexes.errors import SourceRefused

ACCESS_FILE = ".access.yaml"
_STEM = "access"
_ENDINGS = ("yaml", "yml", "json", "toml")
_IN_ONE_WORD = tuple(_STEM + ending for ending in _ENDINGS)
_SAID_OF_COPIES = frozenset(
    {
        "copy",
        "of",
        "kopie",
        "von",
        "copie",
        "de",
        "bak",
        "backup",
        "old",
        "new",
        "orig",
        "original",
        "save",
        "saved",
    }
    | {"tmp", "temp", "txt", "disabled", "off", "default", "example", "sample", "template", "dist"}
    | {"swp", "swo", "swx", "rej", "dpkg", "rpmnew", "rpmsave"}
)
_EDITORS_OWN = re.compile(
    r"\.access\.yaml~|#\.access\.yaml#|\.#\.access\.yaml|\.\.access\.yaml\.sw[a-z]", re.ASCII
)
_WORD = re.compile(r"[^\W_]+")
_LOG = "log"


def find_lookalikes(names: Iterable[str]) -> list[str]:
    """Of the names in one folder, sorted, those that look like the name of a rule and are not.

    What an editor keeps beside a rule while it is open is no look-alike if the rule itself is
    there.
    """
    there = set(names)
    open_now = ACCESS_FILE in there
    return sorted(
        name
        for name in there
        if name != ACCESS_FILE
        and _looks_like_a_rule(name)
        and not (open_now and _EDITORS_OWN.fullmatch(name))
    )


def refuse_rules_inside(paths: Iterable[str]) -> None:
    """Raises SourceRefused if one of the files in an archive is a rule or looks like one.

    Nobody reads rules there, so what they were meant to hide would go to everybody who may read
    the archive.
    """
    by_folder: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.replace("\\", "/").rpartition("/")
        by_folder.setdefault(folder, set()).add(name)
    for folder, names in by_folder.items():
        for name in [ACCESS_FILE] if ACCESS_FILE in names else find_lookalikes(names)[:1]:
            path = f"{folder}/{name}".lstrip("/")
            shown = path if path.isprintable() and path.isascii() else ascii(path)
            what = "a rule" if name == ACCESS_FILE else "what looks like a rule"
            raise SourceRefused(
                f"It holds {what}, {shown}, and rules in it are not read.",
                remedy="Unpack it into a folder, where rules are read.",
            )


def _looks_like_a_rule(name: str) -> bool:
    plain = plain_letters(name if name.isprintable() else _drop_invisible(name))
    words = [
        word
        for word in _WORD.findall(plain)
        if word not in _SAID_OF_COPIES and not word.isdecimal()
    ]
    if not words:
        return False
    stem, *endings = words
    stem = stem.rstrip("0123456789") or stem
    hidden = not plain[:1].isalnum()
    if len(words) == 1:
        return _is_rule_in_one_word(stem, hidden=hidden)
    if len(words) == 2 and _is_near_any(endings[0], _ENDINGS, 1):
        return _is_near(stem, _STEM, 2 if hidden else 1)
    return hidden and _is_near(stem, _STEM, 1) and endings[-1] != _LOG


def _is_rule_in_one_word(word: str, *, hidden: bool) -> bool:
    """`.access`, and words that have lost their dot, such as `.accessyaml`.

    A folder may be called `access`.
    """
    if _is_near_any(word, _IN_ONE_WORD, 1):
        return True
    return hidden and _is_near(word, _STEM, 1)


def _drop_invisible(name: str) -> str:
    """Without characters that nobody sees, such as a byte order mark before the dot."""
    return "".join(mark for mark in name if mark.isprintable())


def _is_near_any(word: str, others: Iterable[str], most: int) -> bool:
    return any(_is_near(word, other, most) for other in others)


def _is_near(word: str, other: str, most: int) -> bool:
    return edit_distance(word, other, most) <= most
