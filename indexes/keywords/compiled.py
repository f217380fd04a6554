"""How this package's kernels become machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str | None = None) -> Callable[[Function], Function]:
    """Machine code that releases the interpreter lock.

    With a signature it is made at import and kept on disk between processes; without, where it is first used. Where no
    folder for the cache can be written, or what is there is damaged, it is made for this process alone.
    """

    def compile_it(function: Function) -> Function:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if signature is None:
            return cast(Function, numba.njit(**options)(function))
        try:
            return cast(Function, numba.njit(signature, cache=True, **options)(function))
        except (RuntimeError, OSError, EOFError, ValueError):  # a fault of our own is raised again by the next line
            return cast(Function, numba.njit(signature, **options)(function))

    return compile_it
