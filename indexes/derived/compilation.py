# mypy: disable-error-code="no-untyped-call"
"""How kernels become machine code, and two instructions that Numba does not offer."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(signature: str | None = None) -> Callable[[Function], Function]:
    """Machine code that releases the interpreter lock.

    With a signature it is made at import and kept on disk between processes; without, when it is
    first used. If no folder for the cache can be written, or what is there is damaged, it is
    made for this process alone.
    """

    def compile_it(function: Function) -> Function:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if signature is None:
            return cast(Function, numba.njit(**options)(function))
        try:
            return cast(Function, numba.njit(signature, cache=True, **options)(function))
        # a fault of our own is raised again by the next line
        except (RuntimeError, OSError, EOFError, ValueError):
            return cast(Function, numba.njit(signature, **options)(function))

    return compile_it


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An address as what `carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@intrinsic
def fetch(typing: Any, address: Any) -> Any:
    """Asks for a line of memory before it is needed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.IntType(32)
        prefetch = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, prefetch, "llvm.prefetch.p0")
        pointer = builder.inttoptr(arguments[0], cgutils.voidptr_t)
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate
