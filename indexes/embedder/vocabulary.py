"""Tokenizers read from files, once each: models of one family have the same, and a large vocabulary
takes as much memory as a small model.
"""

from pathlib import Path
from threading import Lock

from tokenizers import Tokenizer

from indexes.artifacts import sha256_of

KEPT = 2  # the embedding model's, and another one's while a rebuild changes it

_kept: dict[str, Tokenizer] = {}
_reading = Lock()


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in this file, shared with whoever reads the same one: nobody may change it."""
    digest = sha256_of(path)
    with _reading:
        if digest not in _kept:
            while len(_kept) >= KEPT:
                del _kept[next(iter(_kept))]
            _kept[digest] = Tokenizer.from_file(str(path))
        return _kept[digest]
