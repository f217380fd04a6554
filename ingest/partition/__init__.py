"""One source file to elements: `parse`. Everything a format needs is in the module of its reader.

What happens to a file: its name, first bytes and container are checked (`kinds`), the reader that
the table of formats names makes elements, and what comes out without text is an error, never an
empty document.
"""

import errno
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from indexes.errors import (
    SourceBroken,
    SourceEmpty,
    SourceError,
    SourceTooCostly,
    SourceUnavailable,
)
from indexes.formats import FORMATS, Format
from indexes.model import Scalar
from indexes.text.language import SAMPLE_CHARS, detect_language
from ingest.elements import Element, Parsed, ParseOptions
from ingest.partition import general, web
from ingest.partition.context import ParseContext
from ingest.partition.kinds import identify_format
from ingest.partition.reading import reader_of
from ingest.partition.titles import choose_title

_UNPRINTABLE: dict[int, str | None] = {
    **{code: None for code in (*range(32), 0x7F, 0xFFFE, 0xFFFF) if code not in (9, 10)},
    **dict.fromkeys((0x0B, 0x0C), "\n"),  # they part words: the end of a line or a page,
    **dict.fromkeys(range(0x1C, 0x20), " "),  # of a record or a field
}
_GENERAL_ENDINGS = frozenset(ending for name in ("rst", "org") for ending in FORMATS[name].endings)


def parse(
    path: Path, options: ParseOptions, page_read: Callable[[], None] = lambda: None
) -> Parsed:
    """The file as elements.

    Runs inside a limited worker; `page_read` is called after every page read with OCR.

    Raises SourceUnavailable, SourceRefused, SourceBroken, SourceEmpty or SourceTooCostly, and
    nothing else.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="parse-") as scratch:
            return _parse(path, ParseContext(options, Path(scratch), page_read))
    except SourceError:
        raise
    except (MemoryError, RecursionError) as error:
        raise SourceTooCostly("It is too large or too deeply nested for one parser.") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise SourceTooCostly("Its parser wrote a file larger than it may.") from error
        raise SourceUnavailable(f"{error.strerror or error}.") from error
    except Exception as error:  # a parser's own failure is the file's failure, not ours
        raise SourceBroken(
            f"It cannot be parsed ({type(error).__name__}: {str(error)[:200]})."
        ) from error


def _parse(path: Path, work: ParseContext) -> Parsed:
    kind = identify_format(path, work)
    found, about = reader_of(kind)(path, work)
    elements = tuple(element for element in map(_clean_element, found) if element is not None)
    if not any(char.isalnum() for element in elements for char in element.text):
        raise SourceEmpty(_describe_emptiness(kind, work))
    paged = any(element.page is not None for element in elements)
    title = about.pop("title", None)
    told = None if title is None else str(title)
    return Parsed(
        title=choose_title(told, elements),
        elements=elements,
        media_type=kind.media_type,
        language=_detect_language(elements),
        page_kind=kind.page_kind if paged else None,
        metadata=_bound_metadata(about),
        warnings=tuple(work.warnings),
        losses=work.losses,
    )


def _describe_emptiness(kind: Format, work: ParseContext) -> str:
    if kind.family == "image" or work.ocr_pages:
        return "OCR found no text in its pictures."
    return "No text was found in it."


def _clean_element(element: Element) -> Element | None:
    """The element without control characters and outer space; None if nothing is left."""
    text = element.text.translate(_UNPRINTABLE).strip().encode("utf-8", "replace").decode("utf-8")
    if not text:
        return None
    if text == element.text:
        return element
    return replace(element, text=text)


def _detect_language(elements: tuple[Element, ...]) -> str | None:
    """From a sample over the whole document, so that a foreign cover page decides nothing."""
    step = max(1, sum(len(element.text) for element in elements) // SAMPLE_CHARS)
    return detect_language("\n".join(element.text for element in elements[::step]))


def _bound_metadata(about: dict[str, Scalar]) -> dict[str, Scalar]:
    return {
        key: value[:1_000].translate(_UNPRINTABLE) if isinstance(value, str) else value
        for key, value in about.items()
        if value != ""
    }


def warm_up() -> None:
    """Imports every reader and the libraries that many files need: workers forked afterwards have
    them at once.

    Starts no thread.
    """
    for kind in FORMATS.values():
        reader_of(kind)
    web.warm_up()


def warm_up_for(ending: str) -> None:
    """Imports what takes seconds and only files with such a name need, before a process is forked
    for one. A file that turns out to need it under another name pays for it by itself.

    Starts no thread.
    """
    if ending.lower() in _GENERAL_ENDINGS:
        general.warm_up()
