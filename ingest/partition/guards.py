"""Guards around libraries: on a damaged file they raise whatever their structures happen to raise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from indexes.errors import SourceBroken, SourceError

MAX_TOLD_CHARS = 300

Result = TypeVar("Result")


def describe_failure(error: Exception) -> str:
    told = f"{type(error).__name__}: {error}"[:MAX_TOLD_CHARS]
    return f"It cannot be parsed ({told})."


@contextmanager
def failure_as_damage(
    describe: Callable[[Exception], str] = describe_failure,
) -> Iterator[None]:
    """Tells any failure inside as damage of the file.

    Raises SourceBroken with what `describe` says of it. Errors of files pass as they are.
    """
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except Exception as error:
        raise SourceBroken(describe(error)) from error


def read_optional(read: Callable[[], Result], otherwise: Result) -> Result:
    """What `read` gives; `otherwise` if it fails, for what a file can be read without."""
    try:
        with failure_as_damage():
            return read()
    except (SourceError, MemoryError):
        return otherwise
