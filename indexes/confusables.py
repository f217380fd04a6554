"""Which names look alike (Unicode Technical Standard 39).

The data file says which character is taken for which.
"""

import unicodedata
from functools import cache
from importlib.resources import files


def skeleton(text: str) -> str:
    """What the text looks like: two texts with one skeleton are taken for each other.

    A key, never shown.
    """
    seen_as = _confusable_letters()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(seen_as.get(mark, mark) for mark in decomposed))


def shapes(text: str) -> frozenset[str]:
    """Keys of a name, at most two: names that share one differ in nothing that people see or hear.

    Once as it is written (`biII` looks like `bill`) and once without regard to case (`Ida` is read
    out as `ida`).
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).split())
    return frozenset({skeleton(folded).casefold(), skeleton(folded.casefold()).casefold()})


def plain_letters(text: str) -> str:
    """The text in small letters, with ASCII letters in the place of those that look like them;
    ASCII stays itself.
    """
    folded = unicodedata.normalize("NFKC", text)
    return "".join(mark if mark.isascii() else skeleton(mark) for mark in folded).casefold()


def edit_distance(one: str, other: str, most: int) -> int:
    """How many letters have to be changed, left out, put in or swapped with the next; if more
    than `most`: most + 1.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, mark in enumerate(one, start=1):
        now = [row]
        for column, opposite in enumerate(other, start=1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (mark != opposite))
            if row > 1 and column > 1 and mark == other[column - 2] and one[row - 2] == opposite:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return min(last[-1], most + 1)


@cache
def _confusable_letters() -> dict[str, str]:
    """What each character is taken for."""
    lines = files("indexes").joinpath("confusables.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split(" ") for line in lines if not line.startswith("#"))
    return {
        chr(int(mark, 16)): "".join(chr(int(code, 16)) for code in codes) for mark, *codes in rows
    }
