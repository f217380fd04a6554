"""Where the lines of a text stand."""

from collections.abc import Iterator


def line_ranges(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the lines between two places that have something on them, without the white
    space around it.
    """
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        line = text[start:stop]
        if kept := line.strip():
            first = start + len(line) - len(line.lstrip())
            yield first, first + len(kept)
        start = stop + 1
