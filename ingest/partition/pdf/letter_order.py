"""The letters of lines with scripts that run from right to left, in the order of their readers.

PDFium gives most of such text as it is read, some of it as it stands from left to right, and signs
between words in no sure place. Where letters stand decides.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ingest.partition.pdf.leftward import direction
from ingest.partition.pdf.viewport import Floats

Codes = NDArray[np.int64]
_OPENING, _CLOSING = "([{<«", ")]}>»"
_BRACKETS = dict(zip(_OPENING + _CLOSING, _CLOSING + _OPENING, strict=True))
_INSIDE = ".,:/"  # between figures of one number
_BESIDE = "%$€£¥₪#°"  # at one


def order_letters(
    codes: Codes, leftward: NDArray[np.bool_], boxes: tuple[Floats, Floats, Floats, Floats]
) -> tuple[NDArray[np.intp], Codes]:
    """(places of the letters as they are read, their codes in that order). Lines without a letter
    that runs from right to left stay as they are. boxes: left, top, right, bottom.
    """
    order = np.arange(len(codes))
    if not leftward.any():
        return order, codes
    left, top, right, bottom = boxes
    tall, middle = np.maximum(bottom - top, 1.0), (top + bottom) / 2
    ends = (codes == 10) | (codes == 13)
    solid = codes > 32
    moved = np.abs(np.diff(middle)) > np.maximum(tall[1:], tall[:-1])
    cuts = np.flatnonzero(ends[1:] | ends[:-1] | (moved & solid[1:] & solid[:-1])) + 1
    read = codes.copy()
    for start, end in pairwise([0, *cuts.tolist(), len(codes)]):
        if leftward[start:end].any():
            centres = _centres(codes[start:end], left[start:end], right[start:end])
            text = [chr(code) for code in codes[start:end].tolist()]
            places = _order_line(text, leftward[start:end].tolist(), centres)
            order[start:end] = start + np.array(places, np.intp)
            read[start:end] = [ord(each) for each in _turn_brackets([text[n] for n in places])]
    return order, read


def _centres(codes: Codes, left: Floats, right: Floats) -> list[float]:
    """Where letters stand across. White space that PDFium made has no place of its own: it stands
    between what it parts; marks stand with their letters.
    """
    centres: list[float] = ((left + right) / 2).tolist()
    blank = np.flatnonzero(codes <= 32).tolist()
    edges = [-1, *blank, len(codes)]
    for before, here, after in zip(edges, edges[1:], edges[2:], strict=False):
        if right[here] - left[here] > 0.01 or before + 1 == here or here + 1 == after:
            continue
        one = left[before + 1 : here].min(), right[before + 1 : here].max()
        two = left[here + 1 : after].min(), right[here + 1 : after].max()
        inner = (one[0] + two[1]) if one[0] + one[1] > two[0] + two[1] else (one[1] + two[0])
        centres[here] = float(inner / 2)
    for place, code in enumerate(codes.tolist()):
        if code > 32 and unicodedata.combining(chr(code)):
            near = [n for n in (place - 1, place + 1) if 0 <= n < len(codes) and codes[n] > 32]
            if near:
                centres[place] = centres[min(near, key=lambda n: abs(centres[n] - centres[place]))]
    return centres


def _order_line(
    text: Sequence[str], leftward: Sequence[bool], centres: Sequence[float]
) -> list[int]:
    """Places of a line's letters as they are read, in the direction of most of them."""
    other = [
        letter.isalpha() and not to_left for letter, to_left in zip(text, leftward, strict=True)
    ]
    across = sorted(range(len(text)), key=lambda n: centres[n])
    to_left = direction([leftward[n] for n in across if leftward[n] or other[n]])
    sign = -1 if to_left else 1
    places = sorted(
        range(len(text)),
        key=lambda n: (sign * centres[n], unicodedata.combining(text[n]) > 0),
    )
    native = leftward if to_left else other
    ordered: list[int] = []
    held: list[int] = []
    for place in places:
        if native[place]:
            ordered += [*_turn_foreign(held, text, to_left=to_left), place]
            held = []
        else:
            held.append(place)
    return ordered + _turn_foreign(held, text, to_left=to_left)


def _turn_foreign(places: list[int], text: Sequence[str], *, to_left: bool) -> list[int]:
    """Letters between those of the line's own direction, what runs the other way turned around."""
    words = [n for n, place in enumerate(places) if text[place].isalpha()]
    if words:
        strong = [
            n
            for n, place in enumerate(places)
            if text[place].isalpha() or (to_left and text[place].isdigit())
        ]
        first, end = strong[0], strong[-1] + 1
        return [*places[:first], *_with_marks(places[first:end], text), *places[end:]]
    return _turn_numbers(places, text) if to_left else places


def _with_marks(places: Sequence[int], text: Sequence[str]) -> list[int]:
    """The places turned around, each mark behind its letter."""
    groups: list[list[int]] = []
    for place in places:
        if groups and unicodedata.combining(text[place]):
            groups[-1].append(place)
        else:
            groups.append([place])
    return [place for group in reversed(groups) for place in group]


def _turn_numbers(places: Sequence[int], text: Sequence[str]) -> list[int]:
    turned: list[int] = []
    number: list[int] = []
    for place, after in zip(places, [*places[1:], None], strict=False):
        letter = text[place]
        digit_next = after is not None and text[after].isdigit()
        plain = any(text[each].isascii() for each in (*number, after) if each is not None)
        if (
            letter.isdigit()
            or (letter in _BESIDE and (number or digit_next) and plain)
            or (letter in _INSIDE and number and digit_next)
        ):
            number.append(place)
            continue
        turned += [*reversed(number), place]
        number = []
    return turned + number[::-1]


def _turn_brackets(text: Sequence[str]) -> list[str]:
    """Beside letters from right to left brackets are drawn turned around: before a word stands an
    opening one, behind it a closing one.
    """
    turned = list(text)
    for place, letter in enumerate(text):
        if letter not in _BRACKETS:
            continue
        before = place == 0 or text[place - 1].isspace()
        behind = place + 1 == len(text) or not text[place + 1].isalnum()
        wrong = _CLOSING if before and not behind else _OPENING if behind and not before else ""
        if letter in wrong:
            turned[place] = _BRACKETS[letter]
    return turned
