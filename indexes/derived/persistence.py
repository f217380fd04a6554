"""A process's indexes written to its checkpoint, and read back and brought to the present state."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.index_input import Mark, Placement
from indexes.catalog.reading import ReadState
from indexes.derived import checkpoint
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.vectors.store import Learnt, VectorStores
from indexes.derived.verify import find_misplaced
from indexes.errors import IndexDamaged
from indexes.model import IndexGeneration

log = logging.getLogger(__name__)


def save_indexes(derived: DerivedIndexes, home: Path, secret: bytes) -> None:
    """Make these indexes the checkpoint. Nothing may change them meanwhile.

    secret: of the catalog's history, which says whose indexes they are.
    """
    facts = _facts(derived.generation, derived.rebuild_number, secret)
    checkpoint.save(home, facts, lambda folder: _write_indexes(derived, folder))


def load_indexes(
    state: ReadState,
    generation: IndexGeneration,
    stores: VectorStores,
    home: Path,
    secret: bytes,
) -> DerivedIndexes | None:
    """The checkpoint brought to this state, if it is sound, of a state that this catalog was in,
    and right; else None.
    """
    facts = _facts(generation, state.rebuild_number(), secret)
    try:
        with checkpoint.open_checkpoint(home, facts) as folder:
            if folder is None:
                return None
            loaded = _read_indexes(generation, folder, stores, state.centroids(generation))
        repaired = _bring_to_state(loaded, state)
    # whatever is wrong with a derived file, it is no reason not to start
    except Exception as error:
        log.warning("The checkpoint cannot be used and is built anew from the catalog: %s", error)
        return None
    loaded.rebuild_number = state.rebuild_number()
    log.info("Loaded the checkpoint; %d documents had changed since.", repaired)
    return loaded


def _bring_to_state(loaded: DerivedIndexes, state: ReadState) -> int:
    """How many documents had changed. Raises IndexDamaged if it is not what the catalog says then."""
    if not state.has(loaded.newest):
        raise IndexDamaged("It is of a state that this catalog does not know.")
    repaired = loaded.repair(state)
    for what in find_misplaced(state, loaded):
        raise IndexDamaged(f"It is not what the catalog says. {what}")
    return repaired


def _facts(generation: IndexGeneration, rebuild_number: int, secret: bytes) -> Mapping[str, Any]:
    """What a checkpoint must have been made for: this installation, this generation, the last
    rebuild asked for.
    """
    return {
        "installation": hashlib.sha256(b"checkpoint" + secret).hexdigest(),
        "generation": generation.id,
        "model": generation.fingerprint,
        "rebuild": rebuild_number,
    }


def _write_indexes(derived: DerivedIndexes, folder: Path) -> None:
    placed = derived.placements.all()
    rows = [p.rows for p in placed]
    arrays: dict[str, NDArray[Any]] = {
        "documents-id": np.array([p.document_id for p in placed], np.int64),
        "documents-reader-set": np.array([p.reader_set for p in placed], np.int64),
        "documents-token": np.frombuffer(b"".join(p.token for p in placed), np.uint8).reshape(
            -1, 32
        ),
        "documents-rows": np.concatenate(rows) if rows else np.empty(0, np.int64),
        "documents-size": np.array([len(r) for r in rows], np.int64),
        "state-number": np.array(derived.newest.number, np.int64),
        "state-token": np.frombuffer(derived.newest.token, np.uint8),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    derived.vectors.save(folder)
    derived.keywords.save(folder)


def _read_indexes(
    generation: IndexGeneration,
    folder: Path,
    stores: VectorStores,
    learnt: Learnt | None,
) -> DerivedIndexes:
    def array(name: str) -> NDArray[Any]:
        # a plain array: slices of a mapped one cost ten times as much
        mapped: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False, mmap_mode="r")
        return mapped.view(np.ndarray)

    try:
        vectors = stores.load(folder, generation.dimension, learnt)
        derived = DerivedIndexes(generation, KeywordIndex.load(folder), vectors)
        ends = np.cumsum(array("documents-size"))
        rows = np.split(array("documents-rows"), ends[:-1]) if len(ends) else []
        columns = (array(f"documents-{name}") for name in ("id", "reader-set", "token"))
        derived.trust_placements(
            Placement(int(i), int(s), token.tobytes(), r)
            for i, s, token, r in zip(*columns, rows, strict=True)
        )
        derived.newest = Mark(int(array("state-number")), array("state-token").tobytes())
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise IndexDamaged(str(error)) from error
    return derived
