"""Words that no reader of a page sees: the favourite place of instructions meant for machines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from ingest.partition.pdf.page import Box, FilledArea, PageContent, Word

TINY = 1.2  # points
SAME_COLOUR = 12  # of 255, in each part of a colour
LAYER_SHARE = 0.25  # of the page; a picture so large may have its words behind it, unseen
COVER_SHARE = 0.5  # of the page; a larger area on top of words is taken for part of the paper
WHITE = 0xFFFFFF
MAX_GROUNDS = 3_000  # filled areas of one page; more are a drawing


def hidden_words(page: PageContent) -> dict[int, str]:
    """Why a word cannot be seen, by its place among those of the page."""
    layers = [
        picture
        for picture in page.drawing.pictures
        if picture.area >= LAYER_SHARE * page.width * page.height
    ]
    over = _grounds_of(page)
    found: dict[int, str] = {}
    for index, word in enumerate(page.words):
        across, down = (word.box.left + word.box.right) / 2, word.middle
        if not (0 <= across <= page.width and 0 <= down <= page.height):
            found[index] = "beside the page"
        elif max(word.size, word.box.height) < TINY:
            found[index] = "too small to be seen"
        elif word.order in page.switched_off:
            found[index] = "on a layer that is switched off"
        elif word.order in page.clips and _is_clipped(word, page.clips[word.order]):
            found[index] = "outside its clip path"
        elif word.unseen or word.order in page.faint:
            if not any(layer.holds(across, down) for layer in layers):
                found[index] = "drawn in no colour"
        elif (index in over or _alike(word.colour, WHITE)) and (
            reason := _ground_hides(page, word, over.get(index, ()))
        ):
            found[index] = reason
    return found


def _is_clipped(word: Word, seen: Box) -> bool:
    """Whether nothing of a word is in what its clip path lets through."""
    return (
        word.box.right <= seen.left
        or word.box.left >= seen.right
        or word.middle + 0.2 * word.size <= seen.top
        or word.middle - 0.2 * word.size >= seen.bottom
    )


def _grounds_of(page: PageContent) -> dict[int, list[FilledArea]]:
    """The filled areas that a word's middle lies in, by the word's place."""
    areas = [area for area in page.drawing.areas if area.box.height > 1][:MAX_GROUNDS]
    if not areas or not page.words:
        return {}
    boxes = np.array([area.box for area in areas])
    across = np.array([(word.box.left + word.box.right) / 2 for word in page.words])
    down = np.array([word.middle for word in page.words])
    found: dict[int, list[FilledArea]] = defaultdict(list)
    for area, (left, top, right, bottom) in zip(areas, boxes.tolist(), strict=True):
        inside = (across >= left) & (across <= right) & (down >= top) & (down <= bottom)
        for index in np.flatnonzero(inside).tolist():
            found[index].append(area)
    return found


def _ground_hides(page: PageContent, word: Word, grounds: Sequence[FilledArea]) -> str:
    """Why what is drawn behind or before a word hides it; empty if it does not."""
    across, down = (word.box.left + word.box.right) / 2, word.middle
    suspicious = _alike(word.colour, WHITE)
    under = WHITE
    for ground in grounds:
        if word.order and ground.order > word.order:
            if _covers(page, ground, word):
                return "behind a filled area"
        elif not word.order and not _alike(ground.colour, word.colour):
            return ""
        else:
            under = ground.colour
    if not suspicious and under == WHITE:
        return ""
    if not _alike(word.colour, under):
        return ""
    if any(each.holds(across, down) for each in (*page.drawing.pictures, *page.drawing.shades)):
        return ""
    return "in the colour of its ground"


def _covers(page: PageContent, ground: FilledArea, word: Word) -> bool:
    """Whether an area drawn after a word lies over all of it. Colours are taken for marker pens,
    through which words are seen.
    """
    box = ground.box
    return (
        ground.square
        and (_alike(ground.colour, WHITE) or _alike(ground.colour, 0))
        and box.area < COVER_SHARE * page.width * page.height
        and box.left <= word.box.left + 0.5
        and box.right >= word.box.right - 0.5
        and box.top <= word.middle - 0.2 * word.size
        and box.bottom >= word.middle + 0.2 * word.size
    )


def _alike(one: int, other: int) -> bool:
    return all(
        abs((one >> shift & 255) - (other >> shift & 255)) <= SAME_COLOUR for shift in (16, 8, 0)
    )


def runs(hidden: dict[int, str]) -> Iterator[tuple[int, int, str]]:
    """(first word, last word, reason) of words that follow each other and are hidden alike."""
    start = last = -1
    why = ""
    for index, reason in sorted(hidden.items()):
        if start >= 0 and index == last + 1 and reason == why:
            last = index
            continue
        if start >= 0:
            yield start, last, why
        start = last = index
        why = reason
    if start >= 0:
        yield start, last, why
