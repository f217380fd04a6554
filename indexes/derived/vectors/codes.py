"""Vectors as small integers, at a scale that depends on the dimension alone.

Codes are whole numbers from -128 to 127, held as float32. A product of two codes is a whole number
that float32 holds exactly, so it is the same in whatever order it is summed, on every machine and
beside whatever other rows.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexes.derived.compilation import kernel

Floats = NDArray[np.float32]

# a coordinate of a random unit vector has deviation 1/sqrt(d); codes reach this many of them
SIGMAS: Final = 5.0
_LARGEST: Final = 127
OFFSET: Final = 128  # what FAISS adds to a code to make it a byte


@cache
def code_scale(dimension: int) -> float:
    """What a coordinate is multiplied by."""
    return float(np.float32(_LARGEST * np.sqrt(dimension) / SIGMAS))


def encode(vectors: Floats) -> Floats:
    """Codes of unit vectors, shape (n, dimension)."""
    codes = vectors * np.float32(code_scale(vectors.shape[-1]))
    np.rint(codes, out=codes)
    np.clip(codes, -_LARGEST - 1, _LARGEST, out=codes)
    return codes


def as_bytes(codes: Floats) -> NDArray[np.uint8]:
    """Codes as FAISS keeps them."""
    return (codes + OFFSET).astype(np.uint8)


def code_errors(vectors: Floats, codes: Floats) -> Floats:
    """How far each vector is from what its code stands for: ‖x - x̂‖."""
    apart: Floats = np.linalg.norm(
        vectors - codes / np.float32(code_scale(vectors.shape[-1])), axis=1
    ).astype(np.float32)
    return apart


@dataclass(frozen=True, slots=True)
class CodedQuery:
    """A question's code. Its scale is its own, since it is compared with nothing but rows."""

    code: NDArray[np.int16]
    unit: float  # a product of codes times this is a cosine
    error: float  # ‖q - q̂‖

    @classmethod
    def of(cls, query: Floats) -> "CodedQuery":
        code, own, error = encode_query(query, _LARGEST)
        return cls(code, 1.0 / (own * code_scale(len(query))), error)


@kernel("Tuple((int16[::1], float64, float64))(Array(float32, 1, 'A', readonly=True), int64)")
def encode_query(query: Any, largest: Any) -> Any:
    """(code, what a coordinate was multiplied by, how far the code is from the query)."""
    most = 1e-9
    for value in query:
        most = max(most, abs(np.float64(value)))
    code, own, off = np.empty(query.shape[0], np.int16), largest / most, 0.0
    for i in range(query.shape[0]):
        whole = np.rint(query[i] * own)
        code[i] = whole
        off += (query[i] - whole / own) ** 2
    return code, own, np.sqrt(off)
