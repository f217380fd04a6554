"""From a format to the function that reads it, which is imported when it is asked for first."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

from indexes.formats import Format
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext

ReadResult = tuple[list[Element], dict[str, Scalar]]
"""The elements of a file and what it says of itself (`title`, `author`, …)."""

NO_TITLE: dict[str, Scalar] = {"title": ""}
"""What a reader tells if no heading of the file names the whole of it."""

Reader = Callable[[Path, ParseContext], ReadResult]


@cache
def reader_of(kind: Format) -> Reader:
    """The reader that the table of formats names."""
    module, function = kind.reader.split(":")
    return cast(Reader, getattr(import_module(module), function))
