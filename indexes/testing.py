"""Stand-ins for the outside world, for the tests of every package; they pass the contract tests of the real ones."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W{_CJK}]{{1,12}}|[^\w\s]")  # one token: a CJK character, a word's piece, a mark
_FEATURE = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")
_SHORT_WORD = 3  # characters up to which a word is taken for a function word and counts little


class HashingEmbedder:
    """An Embedder without a model: instant, the same on every machine; texts that share words or CJK bigrams are near.

    Two embedders with different names behave like two models: other fingerprints, other vectors.
    """

    def __init__(self, dimension: int = 64, max_tokens: int = 508, *, name: str = "hashing") -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.fingerprint = f"hashing:{name}:{dimension}:{max_tokens}"

    def query(self, text: str) -> NDArray[np.float32]:
        total = 0.1 * self._direction("")  # weights below are quarters: no sum of them cancels this, so no text is zero
        for feature in _features(self._cut(text)):
            weight = 0.25 if len(feature) <= _SHORT_WORD and feature.isascii() else 1.0
            total += weight * self._direction(feature)
        unit: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
        return unit

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return np.stack([self.query(text) for text in texts])

    def count(self, texts: Sequence[str]) -> list[int]:
        return [sum(1 for _ in _TOKEN.finditer(text)) for text in texts]

    def _cut(self, text: str) -> str:
        """What a model would see of the text: its first max_tokens tokens."""
        end = 0
        for number, token in enumerate(_TOKEN.finditer(text), start=1):
            end = token.end()
            if number == self.max_tokens:
                break
        return text[:end]

    def _direction(self, feature: str) -> NDArray[np.float64]:
        """A pseudo-random vector of signs, shape (dimension,): two features are nearly orthogonal."""
        seed = f"{self.name}\0{feature}".encode("utf-8", "surrogatepass")
        digest = hashlib.shake_256(seed).digest((self.dimension + 7) // 8)
        bits = np.unpackbits(np.frombuffer(digest, np.uint8))[: self.dimension]
        return bits.astype(np.float64) * 2.0 - 1.0


def _features(text: str) -> list[str]:
    """Lower-case words, and the bigrams of every CJK run (the character itself where a run has only one)."""
    features: list[str] = []
    for run in _FEATURE.findall(text.lower()):
        if re.match(rf"[{_CJK}]", run) and len(run) > 1:
            features += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            features.append(run)
    return features
