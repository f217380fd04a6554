"""What stands on one printed page: words, ruled lines, filled areas and pictures, with places.

Places are points as the reader sees the page: from its left edge, and downwards from its top.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Box(NamedTuple):
    """A tuple, as words are: a page has thousands of both."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    def holds(self, across: float, down: float) -> bool:
        return self.left <= across <= self.right and self.top <= down <= self.bottom


class Word(NamedTuple):
    """Letters without white space between them."""

    text: str
    box: Box
    baseline: float
    size: float  # in points, as printed
    line: int  # words of one line in the order of the file have one number
    spaced: bool = True  # white space stands before it in the file
    turned: bool = False  # runs in another direction than most of the page
    colour: int = 0  # 0xRRGGBB
    unseen: bool = False  # drawn in no colour at all
    order: int = 0  # of its object among those of the page; 0 if it is not known
    leftward: bool = False  # its letters run from right to left
    downward: bool = False  # a column of letters below each other

    @property
    def middle(self) -> float:
        """Half the height of its small letters, downwards."""
        return self.baseline - 0.25 * self.size


@dataclass(frozen=True, slots=True)
class Rule:
    """A ruled line. Level: at `at` downwards, from `start` to `end` across; upright: the other
    way round.
    """

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class FilledArea:
    """A filled area."""

    box: Box
    colour: int  # 0xRRGGBB
    order: int  # of its object among those of the page
    square: bool = True  # a rectangle, with upright and level sides


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn on a page beside its text."""

    level: tuple[Rule, ...] = ()
    upright: tuple[Rule, ...] = ()
    areas: tuple[FilledArea, ...] = ()
    pictures: tuple[Box, ...] = ()
    shades: tuple[Box, ...] = ()  # areas filled with a pattern or a run of colours
    outlines: int = 0  # drawn paths of any kind


@dataclass(frozen=True, slots=True)
class PageContent:
    """One page as it was read, before anything is made of it."""

    number: int  # from 1
    width: float
    height: float
    words: tuple[Word, ...] = ()  # in the order of the file
    drawing: Drawing = Drawing()
    unreadable: int = 0  # letters without a Unicode value
    visible: int = 0  # all letters
    shattered: bool = False  # the order of its letters cannot be told
    quarter_turns: int = 0  # clockwise, from the page as viewers show it to the one read here
    switched_off: frozenset[int] = frozenset()  # orders of objects on layers that are off
    faint: frozenset[int] = frozenset()  # orders of objects that are as good as not drawn
    clips: Mapping[int, Box] = field(default_factory=dict)  # what is seen of objects, by order
