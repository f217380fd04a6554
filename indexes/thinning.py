"""Near-duplicates collapsed, and no document allowed to crowd out the others. Looks at readable hits only."""

import re
from collections import Counter
from collections.abc import Sequence

from indexes.model import Hit

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_SAME = 0.9  # share of all their words that two texts have in common, from which on they say the same

Words = tuple[frozenset[str], frozenset[str]]  # all words; those with a digit, which must agree to the last


def thin(hits: Sequence[Hit], k: int, per_document: int) -> tuple[Hit, ...]:
    """The first k hits in order, without near-copies of a better one and with at most `per_document` of a document."""
    kept: list[Hit] = []
    words: list[Words] = []
    taken: Counter[str] = Counter()
    for hit in hits:
        if len(kept) == k:
            break
        if taken[hit.document_id] >= per_document:
            continue
        these = _words(hit.text)
        if any(_say_the_same(these, others) for others in words):
            continue
        taken[hit.document_id] += 1
        kept.append(hit)
        words.append(these)
    return tuple(kept)


def _words(text: str) -> Words:
    words = frozenset(_TOKEN.findall(text.casefold()))
    return words, frozenset(word for word in words if any(map(str.isdigit, word)))


def _say_the_same(one: Words, other: Words) -> bool:
    if one[1] != other[1]:
        return False
    small, large = sorted((one[0], other[0]), key=len)
    return len(small) >= _SAME * len(large) and len(small & large) >= _SAME * len(small | large)
