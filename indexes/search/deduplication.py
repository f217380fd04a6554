"""Near-duplicates collapsed, and no document allowed to crowd out the others.

Looks at readable hits only.
"""

import re
from collections import Counter
from collections.abc import Iterable

from indexes.model import Hit

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
# share of all their words that two texts have in common, from which on they say the same
_SAME = 0.9

# all words; those with a digit, which must agree to the last
Words = tuple[frozenset[str], frozenset[str]]


class Thinner:
    """Takes hits, best first, as they are read; keeps what is neither a near-copy nor too much of
    one document.
    """

    def __init__(self, k: int, per_document: int) -> None:
        self._k, self._per_document = k, per_document
        self._kept: list[Hit] = []
        self._words: list[Words] = []
        self._taken: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return len(self._kept) == self._k

    @property
    def kept(self) -> tuple[Hit, ...]:
        """In the order they came, at most k."""
        return tuple(self._kept)

    def take(self, hits: Iterable[Hit]) -> None:
        for hit in hits:
            if self.full:
                return
            if self._taken[hit.document_id] >= self._per_document:
                continue
            these = _words(hit.text)
            if any(_say_the_same(these, others) for others in self._words):
                continue
            self._taken[hit.document_id] += 1
            self._kept.append(hit)
            self._words.append(these)


def _words(text: str) -> Words:
    words = frozenset(_TOKEN.findall(text.casefold()))
    # quickly found; the few with a digit are among them
    unlike = [word for word in words if not word.isalpha()]
    return words, frozenset(word for word in unlike if any(map(str.isdigit, word)))


def _say_the_same(one: Words, other: Words) -> bool:
    if one[1] != other[1]:
        return False
    small, large = sorted((one[0], other[0]), key=len)
    return len(small) >= _SAME * len(large) and len(small & large) >= _SAME * len(small | large)
