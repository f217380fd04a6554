"""Writes the table of Han characters that are one character written in several ways.

    python -m tools.han_variants

The table stands in the package, so that no new version of a library changes what an index has
stored. It is made of what OpenCC's conversions do to single characters: characters that any of them
turns into each other are one class. Each class is represented by the character that most of the
conversions to Simplified Chinese choose, so that Simplified text stays nearly as it is.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import opencc

from indexes.text.folding import VARIANTS_FILE
from indexes.text.scripts import HAN

SIMPLIFYING = ("t2s", "tw2s", "hk2s")
CONVERSIONS = (*SIMPLIFYING, "s2t", "tw2t", "hk2t", "t2tw", "t2hk")
INSIDE_WORDS = {"藉": "借", "瞭": "了", "覆": "复", "甦": "苏"}
"""What OpenCC simplifies only inside words."""

# ideographs beyond these are rare, and a class of 16-bit characters is searched fast
CHARACTERS = [c for c in map(chr, range(1 << 16)) if re.match(f"[{HAN}]", c)]


def convert_each(name: str) -> Mapping[str, str]:
    """What a conversion makes of each character."""
    made = opencc.OpenCC(name).convert("\n".join(CHARACTERS)).split("\n")
    return {
        one: other
        for one, other in zip(CHARACTERS, made, strict=True)
        if len(other) == 1 and ord(other) < 1 << 16
    }


def find_classes(pairs: Iterable[tuple[str, str]]) -> Iterator[Sequence[str]]:
    """Characters that are joined by these pairs, directly or through others."""
    leader = {character: character for character in CHARACTERS}
    for one, other in pairs:
        first, second = _find_leader(leader, one), _find_leader(leader, other)
        leader[max(first, second)] = min(first, second)
    members = defaultdict(list)
    for character in CHARACTERS:
        members[_find_leader(leader, character)].append(character)
    return (some for some in members.values() if len(some) > 1)


def _find_leader(leader: Mapping[str, str], character: str) -> str:
    while leader[character] != character:
        character = leader[character]
    return character


def choose(members: Sequence[str], simplified: Sequence[Mapping[str, str]]) -> str:
    """The character that stands for all of these."""
    votes = Counter(made.get(c, c) for c in members for made in simplified)
    return min((c for c in members if c in votes), key=lambda c: (-votes[c], _gb2312(c)))


def _gb2312(character: str) -> tuple[bool, bytes]:
    """Orders characters as the standard of Simplified Chinese does: the frequent ones first."""
    code = character.encode("gb2312", "ignore")
    return not code, code or character.encode("utf-16-be")


def make_table() -> str:
    made = {name: convert_each(name) for name in CONVERSIONS}
    simplified = [*(made[name] for name in SIMPLIFYING), INSIDE_WORDS]
    pairs = [pair for each in (*made.values(), INSIDE_WORDS) for pair in each.items()]
    lines = []
    for members in find_classes(pairs):
        chosen = choose(members, simplified)
        lines.append(chosen + "".join(c for c in members if c != chosen))
    head = (
        "# The first character of each line stands for the others. Made by tools/han_variants.py\n"
        f"# from OpenCC {opencc.__version__} (Apache-2.0, https://github.com/BYVoid/OpenCC).\n"
    )
    return head + "\n".join(sorted(lines)) + "\n"


if __name__ == "__main__":
    VARIANTS_FILE.write_text(make_table(), encoding="utf-8")
