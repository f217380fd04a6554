"""Two readings of one file made one: what the first passed over is put in at the place at which the
second found it.
"""

import re
from collections.abc import Sequence

from ingest.elements import Element

_SPACE = re.compile(r"\s+")


# characters looked through for text that stands inside a longer element
MAX_SEARCHED = 3_000_000_000


def merge_readings(found: Sequence[Element], own: Sequence[Element]) -> list[Element]:
    """`found` with every element of `own` that it lacks put in: on its page, or after the last one
    both have.
    """
    place = {_bare(element.text): index for index, element in reversed(list(enumerate(found)))}
    last_on = {element.page: index for index, element in enumerate(found)}
    everything = "\n".join(_bare(element.text) for element in found)
    added: dict[int, list[Element]] = {}
    seen: set[str] = set()
    cursor, searched = -1, 0
    for element in own:
        bare = _bare(element.text)
        if not bare or bare in seen:
            continue
        if bare in place and _may_share_page(found[place[bare]], element):
            cursor = max(cursor, place[bare])
            continue
        if searched <= MAX_SEARCHED:
            searched += len(everything)
            if bare in everything:
                continue
        seen.add(bare)
        spot = cursor if element.page is None else last_on.get(element.page, len(found) - 1)
        added.setdefault(spot, []).append(element)
    return added.get(-1, []) + [
        e for index, element in enumerate(found) for e in (element, *added.get(index, []))
    ]


def _may_share_page(one: Element, other: Element) -> bool:
    return one.page == other.page or other.page is None


def _bare(text: str) -> str:
    return _SPACE.sub("", text)
