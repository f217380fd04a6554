"""Vectors kept on disk by text, so that no run embeds a text twice."""

import hashlib
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.embedder import CounterRecipe, Embedder

PART = 16  # texts between two commits: what an interrupted run loses
PROGRESS_S = 20.0

Vectors = NDArray[np.float32]


class RememberingEmbedder:
    """An embedder that keeps every vector in a file of the folder, one file per fingerprint.

    For one thread.
    """

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._embedder = embedder
        self._kept = sqlite3.connect(folder / f"{embedder.fingerprint[:16]}.sqlite", timeout=60)
        self._kept.execute("PRAGMA journal_mode=WAL")
        self._kept.execute("PRAGMA synchronous=NORMAL")
        self._kept.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
        )
        self.name = embedder.name
        self.fingerprint = embedder.fingerprint
        self.dimension = embedder.dimension
        self.max_tokens = embedder.max_tokens

    def query(self, text: str) -> Vectors:
        vector: Vectors = self.queries([text])[0]
        return vector

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._all(
            "query", texts, lambda part: np.stack([self._embedder.query(text) for text in part])
        )

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._all("passage", texts, self._embedder.passages)

    def count(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count(texts)

    def counter_recipe(self) -> CounterRecipe:
        return self._embedder.counter_recipe()

    def _all(
        self, role: str, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]
    ) -> Vectors:
        found = np.empty((len(texts), self.dimension), np.float32)
        missing = []
        for place, text in enumerate(texts):
            kept = self._kept.execute(
                "SELECT vector FROM vectors WHERE key = ?", (_key(role, text),)
            ).fetchone()
            if kept is None:
                missing.append(place)
            else:
                found[place] = np.frombuffer(kept[0], np.float32)
        told = started = time.monotonic()
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            found[part] = embed([texts[place] for place in part])
            rows = [(_key(role, texts[place]), found[place].tobytes()) for place in part]
            with self._kept:
                self._kept.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            done = start + len(part)
            if time.monotonic() > told + PROGRESS_S:
                told = time.monotonic()
                rest = (told - started) / done * (len(missing) - done)
                print(
                    f"embedded {done}/{len(missing)} texts ({role}), {rest:.0f} s left",
                    file=sys.stderr,
                    flush=True,
                )
        return found


def _key(role: str, text: str) -> bytes:
    return hashlib.sha256(f"{role}\0{text}".encode("utf-8", "surrogatepass")).digest()[:16]
