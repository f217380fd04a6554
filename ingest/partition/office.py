"""Home of unstructured: HTML, Markdown and RTF to our elements.

It is imported on first use, in a worker only: the import costs seconds, and reads its settings from
the environment.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from indexes.errors import SourceBroken, SourceError, SourceRefused
from indexes.formats import FORMATS
from ingest.elements import Element, ElementKind
from ingest.partition import tables

QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "1",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What must be in the environment before unstructured is imported: no telemetry, no advertisement,
no downloads.
"""

LONG_LINE = 8_000  # characters by which a paragraph's nature is judged
_KINDS: dict[str, ElementKind] = {
    "Title": "heading",
    "Table": "table",
    "ListItem": "list",
    "CodeSnippet": "code",
}
_SKIPPED = frozenset({"PageBreak", "Image"})
_PASSWORD = re.compile(r"password|encrypted|decrypt", re.IGNORECASE)


def partition_rich_text(path: Path) -> list[Element]:
    return _convert_all(
        lambda: _partitioner("rtf")(filename=str(path), **_partition_options("rtf"))
    )


def partition_html(text: str) -> list[Element]:
    if not text.strip():
        return []
    return _convert_all(lambda: _partitioner("html")(text=text, **_partition_options("html")))


def partition_markdown(text: str) -> list[Element]:
    if not text.strip():
        return []
    return _convert_all(lambda: _partitioner("md")(text=text, **_partition_options("md")))


def warm_up() -> None:
    """Imports what every document needs, so that workers forked afterwards share it."""
    for name in ("html", "md"):
        _partitioner(name)


def _partition_options(name: str) -> dict[str, Any]:
    media = {"content_type": FORMATS[name].media_type} if name in ("html", "md") else {}
    return {"languages": ["eng"], **media}


@cache
def _partitioner(name: str) -> Callable[..., list[Any]]:
    import importlib

    os.environ.update(QUIET)
    _leave_out_spacy()
    module = importlib.import_module(f"unstructured.partition.{name}")
    function: Callable[..., list[Any]] = getattr(module, f"partition_{name}")
    return function


def _leave_out_spacy() -> None:
    """unstructured asks spaCy about every paragraph, to tell narrative text from other text.

    Nothing here needs to know. It is most of the time of a parse, spaCy takes gigabytes for a long
    line, so a file could exhaust a worker, and its model would be downloaded if it were asked for.
    """
    from unstructured.nlp import tokenize
    from unstructured.partition import text_type

    tokenize._load_spacy_model = _refuse_model

    text_type.sent_tokenize = lambda text: [text]
    text_type.word_tokenize = lambda text: text[:LONG_LINE].split()
    text_type.pos_tag = lambda text: []


def _refuse_model() -> NoReturn:
    raise RuntimeError("No language model is used.")


def _convert_all(parse: Callable[[], Iterable[Any]]) -> list[Element]:
    """What unstructured found, as our elements.

    Its many kinds of failure become SourceRefused or SourceBroken.
    """
    try:
        return [element for found in parse() for element in _convert_element(found)]
    except (SourceError, MemoryError):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"[:300]
        if _PASSWORD.search(told):
            raise SourceRefused(
                "It is protected with a password.", remedy="Store a copy without the password."
            ) from error
        raise SourceBroken(f"It cannot be parsed ({told}).") from error


def _convert_element(found: Any) -> Iterator[Element]:
    name, meta = type(found).__name__, found.metadata
    text = (found.text or "").strip().replace("\0", "")
    if name in _SKIPPED or not text:
        return
    kind = _KINDS.get(name, "text")
    place = {"page": meta.page_number, "page_name": meta.page_name}
    if kind == "table":
        yield _convert_table(text, meta.text_as_html, place)
    elif kind == "heading":
        yield Element(
            kind="heading",
            text=" ".join(text.split()),
            level=(meta.category_depth or 0) + 1,
            **place,
        )
    else:
        yield Element(kind=kind, text=text, **place)


def _convert_table(text: str, markup: str | None, place: dict[str, Any]) -> Element:
    table = tables.parse_table(markup) if markup else None
    return tables.element_of(table, **place) if table else Element(kind="table", text=text, **place)
