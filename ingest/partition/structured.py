"""Data as text: JSON, YAML and settings files, so that every value stands beside its key.

A list of alike records becomes a table; everything else becomes lines "key: value", with the path
of keys above a value before it. Walks with a stack: nesting may be deep. A file that breaks the
rules of its format is read as the text that it is, and that is told.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.reading import NO_TITLE, ReadResult
from ingest.partition.tables import make_table
from ingest.partition.text import parse_code, read_text

Value: TypeAlias = Any  # str, None, a dict with texts as keys, a list of values

LEAST_RECORDS = 2
MAX_COLUMNS = 60  # a wider record is no row of a table
MAX_INNER = 3  # values of what stands inside a record, so that they are values of the record
MAX_CELL_CHARS = 500
SHORT_ITEM_CHARS = 60  # a list of items up to this length stands on one line
BLOCK_CHARS = 1_500  # lines of one element
MAX_VALUES = 1_000_000
ARROW = " > "
_SECTION = re.compile(r"^\[{1,2}([^\[\]\n=]{1,200})\]{1,2}\s*(?:[#;].*)?$")
_TRAILING_COMMENT = re.compile(r"\s#\s?(.*)$")


def read_json(path: Path, work: ParseContext) -> ReadResult:
    text = read_text(path, work)
    try:
        return list(value_elements(parse_json(text), work)), {}
    except (ValueError, RecursionError):
        if (lines := _parse_json_lines(text)) is not None:
            return list(value_elements(lines, work)), {}
        return _read_as_text(text, "JSON", work)


def read_json_lines(path: Path, work: ParseContext) -> ReadResult:
    text = read_text(path, work)
    lines = _parse_json_lines(text)
    if lines is None:
        return _read_as_text(text, "JSON on every line", work)
    return list(value_elements(lines, work)), {}


def read_yaml(path: Path, work: ParseContext) -> ReadResult:
    """Values with their keys, comments where they stand."""
    text = read_text(path, work)
    try:
        return list(_yaml_elements(text, work)), {}
    except (yaml.YAMLError, ValueError, RecursionError):
        return _read_as_text(text, "YAML", work)


def read_settings(path: Path, work: ParseContext) -> ReadResult:
    """Settings files (TOML, INI and the like): their lines as they stand, sections as headings."""
    elements: list[Element] = []
    held: list[str] = []

    def end_section() -> None:
        elements.extend(parse_code("\n".join(held)))
        held.clear()

    for line in read_text(path, work).split("\n"):
        if section := _SECTION.match(line):
            end_section()
            elements.append(Element(kind="heading", text=section.group(1).strip(), level=1))
            if comment := _TRAILING_COMMENT.search(line):
                held.append(comment.group(0).strip())
        else:
            held.append(line)
    end_section()
    return elements, NO_TITLE.copy()


def _read_as_text(text: str, name: str, work: ParseContext) -> ReadResult:
    work.warn(f"It is no sound {name}; it was read as text.")
    return list(parse_code(text)), {}


def parse_json(text: str) -> Value:
    """Numbers as they are written, every value of a repeated key. Raises ValueError, RecursionError."""
    return json.loads(
        text, object_pairs_hook=_keep_all, parse_int=str, parse_float=str, parse_constant=str
    )


def _parse_json_lines(text: str) -> list[Value] | None:
    """The values of all lines; None if there is only one or not every line is one."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 1:
        return None
    try:
        return [parse_json(line) for line in lines]
    except (ValueError, RecursionError):
        return None


def _keep_all(pairs: Sequence[tuple[str, Value]]) -> dict[str, Value]:
    made: dict[str, Value] = {}
    counts: dict[str, int] = {}
    for key, value in pairs:
        if key in made:
            counts[key] = counts.get(key, 1) + 1
            key = f"{key} ({counts[key]})"
        made[key] = value
    return made


def value_elements(value: Value, work: ParseContext) -> Iterator[Element]:
    """A value as tables of its records and lines of everything else."""
    block = _Block()
    waiting: list[tuple[tuple[str, ...], Value]] = [((), value)]
    count = 0
    while waiting:
        path, item = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            work.lose(
                "limit", len(waiting) + 1, "values", f"only the first {MAX_VALUES:,} are read"
            )
            break
        if isinstance(item, Mapping):
            if not item and path:
                yield from block.add(path, "")
            waiting += [((*path, str(key)), inner) for key, inner in reversed(list(item.items()))]
        elif isinstance(item, list) and (columns := _columns_of(records := _flat_records(item))):
            yield from block.end()
            yield _records_table(records, columns, path)
        elif isinstance(item, list) and any(isinstance(one, Mapping | list) for one in item):
            numbered = reversed(list(enumerate(item, start=1)))
            waiting += [((*path, str(number)), inner) for number, inner in numbered]
        elif isinstance(item, list):
            for line in _plain_lines(item):
                yield from block.add(path, line)
        else:
            yield from block.add(path, _written(item))
    yield from block.end()


def _plain_lines(items: Sequence[Value]) -> list[str]:
    """Values on one line, or one on each if some are long."""
    if all(map(_is_short, items)):
        return [", ".join(map(_written, items))]
    return list(map(_written, items))


@dataclass(slots=True)
class _Block:
    """Lines that belong to one record, until they are enough for an element."""

    lines: str = ""
    record: tuple[str, ...] = ()

    def add(self, path: tuple[str, ...], text: str) -> Iterator[Element]:
        record = _record_of(path)
        if self.lines and (record != self.record or len(self.lines) > BLOCK_CHARS):
            yield from self.end()
        self.record = record
        name = ARROW.join(path)
        sign = "\n" if "\n" in text else " "
        line = f"{name}:{sign}{text}".rstrip() if name else text
        self.lines = f"{self.lines}\n{line}" if self.lines else line

    def end(self) -> Iterator[Element]:
        if self.lines.strip():
            yield Element(kind="text", text=self.lines)
        self.lines = ""


def _record_of(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path down to the first number: what has it in common is one record."""
    for depth, name in enumerate(path, start=1):
        if name.isdecimal():
            return path[:depth]
    return ()


def _flat_records(items: Sequence[Value]) -> Sequence[Value]:
    """Records with the few short values of what stands inside them as values of their own, such as
    an amount and its currency; as they are if one of them is no record.
    """
    if len(items) < LEAST_RECORDS or not all(isinstance(item, Mapping) for item in items):
        return items
    return [_flat_record(item) for item in items]


def _flat_record(record: Mapping[str, Value]) -> Mapping[str, Value]:
    made: dict[str, Value] = {}
    for key, value in record.items():
        if isinstance(value, Mapping) and 0 < len(value) <= MAX_INNER and _all_short(value):
            made.update({f"{key}{ARROW}{name}": inner for name, inner in value.items()})
        else:
            made[str(key)] = value
    return made


def _all_short(value: Mapping[str, Value]) -> bool:
    return all(map(_is_short, value.values()))


def _columns_of(items: Sequence[Value]) -> list[str]:
    """The keys of alike flat records; empty if these are none."""
    if len(items) < LEAST_RECORDS or not all(isinstance(item, Mapping) and item for item in items):
        return []
    columns: dict[str, None] = {}
    for item in items:
        columns.update(dict.fromkeys(map(str, item)))
        if len(columns) > MAX_COLUMNS:
            return []
        if any(
            isinstance(value, Mapping | list) and value and not _is_plain_list(value)
            for value in item.values()
        ):
            return []
        if any(isinstance(value, str) and len(value) > MAX_CELL_CHARS for value in item.values()):
            return []
    filled = sum(len(item) for item in items)
    return list(columns) if 2 * filled >= len(columns) * len(items) and len(columns) > 1 else []


def _is_plain_list(value: Value) -> bool:
    return isinstance(value, list) and len(value) <= 10 and all(map(_is_short, value))


def _records_table(
    items: Sequence[Mapping[str, Value]], columns: list[str], path: tuple[str, ...]
) -> Element:
    rows = [[_cell(item.get(column, "")) for column in columns] for item in items]
    return make_table([columns, *rows], header_rows=1, caption=ARROW.join(path))


def _cell(value: Value) -> str:
    return (
        ", ".join(map(_written, value))
        if isinstance(value, list)
        else ""
        if value == {}
        else _written(value)
    )


def _is_short(value: Value) -> bool:
    return not isinstance(value, Mapping | list) and len(_written(value)) <= SHORT_ITEM_CHARS


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


# --- YAML ---------------------------------------------------------------------------------------

_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # values as they are written


def _yaml_elements(text: str, work: ParseContext) -> Iterator[Element]:
    """Every value with its keys, in the order of the lines, comments between them."""
    found = _YamlValues()
    for document in yaml.compose_all(text, Loader=_Loader):
        if document is not None:
            found.read(document)
    for number, line in enumerate(text.split("\n")):
        if number in found.inside:
            continue
        comment = _TRAILING_COMMENT.search(" " + line[found.taken.get(number, 0) :])
        if comment and comment.group(1).strip():
            found.lines.append((number, len(line), (), f"# {comment.group(1).strip()}"))
    block = _Block()
    for _, _, path, value in sorted(found.lines, key=lambda each: each[:2]):
        yield from block.add(path, value)
    yield from block.end()


_YamlStep: TypeAlias = tuple[tuple[str, ...], yaml.Node, yaml.Mark]


class _YamlValues:
    """The values of all documents of a file with their places."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, int, tuple[str, ...], str]] = []  # line, column, path, value
        self.taken: dict[
            int, int
        ] = {}  # a line with a value, and the column at which its last one ends
        self.inside: set[int] = set()  # lines within a value, in which no comment can stand

    def read(self, document: yaml.Node) -> None:
        waiting: list[_YamlStep] = [((), document, document.start_mark)]
        seen: set[int] = set()
        while waiting:
            path, node, place = waiting.pop()
            if id(node) in seen:  # it stands elsewhere, with a name
                told = f"the same as in line {node.start_mark.line + 1}"
                self.lines.append((place.line, place.column, path, told))
            elif isinstance(node, yaml.ScalarNode):
                self._take(node)
                start = node.start_mark
                self.lines.append((start.line, start.column, path, node.value.rstrip("\n")))
            else:
                seen.add(id(node))
                waiting += reversed(list(self._below(path, node)))
                if not node.value:
                    self.lines.append((place.line, place.column, path, ""))

    def _below(self, path: tuple[str, ...], node: Any) -> Iterator["_YamlStep"]:
        if isinstance(node, yaml.MappingNode):
            for key, inner in node.value:
                self._take(key)
                name = key.value if isinstance(key, yaml.ScalarNode) else "?"
                yield (*path, name), inner, key.start_mark
        else:
            plain = all(isinstance(one, yaml.ScalarNode) for one in node.value)
            for number, one in enumerate(node.value, start=1):
                yield (path if plain else (*path, str(number))), one, node.start_mark

    def _take(self, node: yaml.Node) -> None:
        start, end = node.start_mark, node.end_mark
        self.taken[end.line] = max(self.taken.get(end.line, 0), end.column)
        self.inside.update(range(start.line + 1, end.line))
