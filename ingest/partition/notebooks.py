"""Notebooks: their cells in order, text as Markdown, code as code, results below it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.elements import Element
from ingest.partition import structured, web
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_code, read_text, without_colours

MAX_OUTPUT_CHARS = 20_000  # of one cell


def read_notebook(path: Path, work: ParseContext) -> ReadResult:
    try:
        notebook = structured.parse_json(read_text(path, work))
    except (ValueError, RecursionError):
        return structured.read_json(path, work)
    if not isinstance(notebook, Mapping) or not isinstance(_cells(notebook), list):
        return structured.read_json(path, work)
    elements = [
        element
        for cell in _cells(notebook)
        if isinstance(cell, Mapping)
        for element in _read_cell(cell, work)
    ]
    about = notebook.get("metadata")
    title = about.get("title") if isinstance(about, Mapping) else None
    return elements, {"title": title} if isinstance(title, str) else {}


def _cells(notebook: Mapping[str, Any]) -> Any:
    if "cells" in notebook:
        return notebook["cells"]
    sheets = notebook.get("worksheets")  # as notebooks were written before 2014
    if not isinstance(sheets, list):
        return None
    return [
        cell for sheet in sheets if isinstance(sheet, Mapping) for cell in sheet.get("cells", [])
    ]


def _read_cell(cell: Mapping[str, Any], work: ParseContext) -> Iterator[Element]:
    kind, source = cell.get("cell_type"), _joined(cell.get("source", cell.get("input", "")))
    if kind == "markdown":
        yield from web.parse_markdown(source, work)
    elif kind == "heading":
        level = cell.get("level", "1")
        yield Element(
            kind="heading", text=source, level=int(level) if str(level) in "123456" else 1
        )
    else:
        yield from parse_code(source)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, Mapping):
            yield from _read_output(output, work)


def _text_of(output: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Of an error its traceback."""
    if output.get("output_type") in ("error", "pyerr"):
        named = f"{output.get('ename')}: {output.get('evalue')}"
        return _joined(output.get("traceback", ""), "\n") or named
    return _joined(output.get("text", "")) or _joined(data.get("text/plain", data.get("text", "")))


def _read_output(output: Mapping[str, Any], work: ParseContext) -> Iterator[Element]:
    data = output.get("data", output)
    if not isinstance(data, Mapping):
        return
    markup = _joined(data.get("text/html", data.get("html", "")))
    if "<table" in markup:
        yield from web.parse_html(markup, work)[0]
        return
    if markdown := _joined(data.get("text/markdown", "")):
        yield from web.parse_markdown(markdown, work)
        return
    text = without_colours(_text_of(output, data))
    if any(str(name).startswith("image/") or name in ("png", "jpeg", "svg") for name in data):
        work.lose("picture", 1, "pictures", "among the results of the code")
    work.lose("limit", len(text) - MAX_OUTPUT_CHARS, "characters", "of a long result")
    yield from parse_code(text[:MAX_OUTPUT_CHARS])


def _joined(value: Any, between: str = "") -> str:
    if isinstance(value, list):
        return between.join(str(line) for line in value)
    return value if isinstance(value, str) else ""
