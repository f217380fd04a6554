"""Stand-ins for the outside world, for the tests of every package; they pass the contract tests of
the real ones.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.derived.ties import ties_of
from indexes.derived.vectors.store import Floats, Ints, Learnt, Ranked, VectorContents, of_each
from indexes.embedder import CounterRecipe
from indexes.errors import IndexDamaged
from indexes.text.scripts import UNSPACED

# one token: a character of a script without spaces, a word's piece, a mark
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]{{1,12}}|[^\w\s]")
_FEATURE = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
_SHORT_WORD = 3  # characters up to which a word is taken for a function word and counts little


class HashingEmbedder:
    """An Embedder without a model: instant, the same on every machine; texts that share words or
    pairs of characters are near.

    Two embedders with different names behave like two models: other fingerprints, other vectors.
    """

    def __init__(
        self, dimension: int = 64, max_tokens: int = 508, *, name: str = "hashing"
    ) -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.fingerprint = f"hashing:{name}:{dimension}:{max_tokens}"

    def query(self, text: str) -> NDArray[np.float32]:
        # weights below are quarters: no sum of them cancels this, so no text is zero
        total = 0.1 * self._direction("")
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

    def counter_recipe(self) -> CounterRecipe:
        return CounterRecipe("indexes.testing:make_counter", b"", self.max_tokens)

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
    """Lower-case words, and of a script without spaces every pair of neighbouring characters; one
    alone stays alone.
    """
    features: list[str] = []
    for run in _FEATURE.findall(text.lower()):
        if re.match(rf"[{UNSPACED}]", run) and len(run) > 1:
            features += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            features.append(run)
    return features


def make_counter(data: bytes, max_tokens: int) -> HashingEmbedder:
    """A TokenCounter from a recipe."""
    return HashingEmbedder(max_tokens=max_tokens)


class BruteForceStore:
    """A VectorStore that scores every visible row: always exact, and short enough to be believed.

    Its time depends on hidden rows, so it is for tests only.
    """

    def __init__(self, dimension: int) -> None:
        self.alarms = 0
        self._dimension = dimension
        self._rows: Ints = np.empty(0, np.int64)  # ascending
        self._sets: Ints = np.empty(0, np.int64)  # of each of them
        self._vectors: Floats = np.empty((0, dimension), np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: Ints, reader_sets: Ints | int, vectors: Floats) -> None:
        """Puts new rows in their places."""
        all_rows = np.concatenate([self._rows, rows])
        order = np.argsort(all_rows, kind="stable")
        self._rows = all_rows[order]
        self._sets = np.concatenate([self._sets, of_each(reader_sets, rows)])[order]
        self._vectors = np.concatenate([self._vectors, vectors])[order]

    def remove(self, rows: Ints) -> None:
        """Takes rows out, if they are here."""
        kept = ~np.isin(self._rows, rows)
        self._rows, self._sets = self._rows[kept], self._sets[kept]
        self._vectors = self._vectors[kept]

    def move(self, rows: Ints, reader_sets: Ints | int) -> None:
        """Puts rows under other reader sets, if they are here."""
        here = np.isin(rows, self._rows)
        self._sets[np.searchsorted(self._rows, rows[here])] = of_each(reader_sets, rows)[here]

    def make_empty(self) -> "BruteForceStore":
        """A new one."""
        return BruteForceStore(self._dimension)

    def nearest(
        self,
        query: Floats,
        reader_sets: Ints,
        k: int,
        only: Ints | None = None,
        view: str | None = None,
        ties: Ints | None = None,
    ) -> Ranked:
        """The definition of a search inside a view."""
        visible = np.isin(self._sets, reader_sets)
        if only is not None:
            visible &= np.isin(self._rows, only)
        rows = self._rows[visible]
        scores = (self._vectors[visible] * query.astype(np.float64)).sum(axis=1)
        best = np.lexsort((rows, ties_of(rows, ties), -scores))[:k]
        return Ranked(rows[best], scores[best], True, len(rows))

    def rows(self) -> Ints:
        """All rows, ascending."""
        return self._rows.copy()

    def reader_sets_of(self, rows: Ints) -> Ints:
        """The reader set of each row, or -1."""
        sets = np.full(len(rows), -1, np.int64)
        here = np.isin(rows, self._rows)
        sets[here] = self._sets[np.searchsorted(self._rows, rows[here])]
        return sets

    def held_reader_sets(self) -> list[int]:
        """The reader sets with rows."""
        held: list[int] = np.unique(self._sets).tolist()
        return held

    def contents(self, reader_set: int) -> VectorContents:
        """What stands under a reader set; nothing is kept beside it."""
        there = self._sets == reader_set
        return VectorContents(self._rows[there], self._vectors[there], True)

    def save(self, folder: Path) -> None:
        """One file for each array."""
        for name, array in self._arrays().items():
            np.save(folder / f"vectors-{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, dimension: int) -> "BruteForceStore":
        """What was saved. Raises IndexDamaged if its parts do not belong together."""
        made = cls(dimension)
        try:
            files = (folder / f"vectors-{name}.npy" for name in made._arrays())
            rows, sets, vectors = (np.load(file, allow_pickle=False) for file in files)
        except (OSError, ValueError) as error:
            raise IndexDamaged(str(error)) from error
        if vectors.shape != (len(rows), dimension) or len(sets) != len(rows):
            raise IndexDamaged("The parts do not belong together.")
        made.add(rows, sets, vectors)
        return made

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"rows": self._rows, "reader_sets": self._sets, "vectors": self._vectors}


class BruteForceStores:
    """Makes them. They learn nothing."""

    def empty(self, dimension: int, learnt: Learnt | None = None) -> BruteForceStore:
        """One without rows."""
        return BruteForceStore(dimension)

    def load(self, folder: Path, dimension: int, learnt: Learnt | None = None) -> BruteForceStore:
        """The one that was saved."""
        return BruteForceStore.load(folder, dimension)
