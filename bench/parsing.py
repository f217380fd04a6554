"""What parsing gets out of a folder of real documents with known text.

    python -m bench.parsing [--data DIR] [--no-ocr] [--json FILE] [--misses]

DIR has `docs/manifest.jsonl`: one file a row, with snippets of its text and where they stand. A
snippet counts as found when the parsed text of its page or slide has it, both in NFKC and without
white space; formats without fixed pages are searched whole. Text that readers of a file do not see
is kept between marks, since some snippets stand in hidden sheets. Every file goes through the sandbox,
as in ingestion. Fails when a file ends otherwise than its row says.
"""

import argparse
import json
import os
import re
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused
from indexes.settings import Settings
from ingest.elements import Parsed
from ingest.isolation.sandbox import Parsers
from ingest.testing import private_copy_of

PLACED = frozenset({".pdf", ".pptx", ".ppt", ".odp"})  # formats whose page or slide must be right
_SPACE = re.compile(r"\s+")


@dataclass(slots=True)
class Row:
    """What came of the files of one folder."""

    name: str
    files: int = 0
    parsed: int = 0
    refused: int = 0  # as the manifest expects
    wrong: int = 0
    snippets: int = 0
    found: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    docs = options.data / "docs"
    rows: dict[str, Row] = {}
    settings = Settings(
        parse_workers=1,
        parse_timeout_s=options.timeout,
        ocr=not options.no_ocr,
        hidden_text="mark",
    )
    with Parsers(settings) as parsers:
        warm = docs / "txt" / "book-war-and-peace-1p.txt"
        # the libraries are loaded once, whatever is parsed
        parsers.submit(private_copy_of(warm)).exception()
        for entry in _manifest(docs):
            row = rows.setdefault(entry["file"].split("/")[0], Row(entry["file"].split("/")[0]))
            started = time.monotonic()
            future = parsers.submit(private_copy_of(docs / entry["file"]))
            error = future.exception()
            row.seconds += time.monotonic() - started
            _judge(row, entry, error or future.result(), ocr=not options.no_ocr)
            print(f"\r{sum(r.files for r in rows.values())} files", end="", file=sys.stderr)
    print(file=sys.stderr)
    total = _total(rows.values())
    _print([*rows.values(), total], misses=options.misses)
    if options.json:
        report = {"rows": [asdict(row) for row in rows.values()], "total": asdict(total)}
        options.json.write_text(
            json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return 1 if total.wrong else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))
    )
    parser.add_argument("--no-ocr", action="store_true")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one document")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--misses", action="store_true", help="list what was not found")
    return parser.parse_args(arguments)


def _manifest(docs: Path) -> Iterator[dict[str, Any]]:
    with (docs / "manifest.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _judge(row: Row, entry: dict[str, Any], outcome: Parsed | BaseException, *, ocr: bool) -> None:
    name, expected = entry["file"], entry["expect"]
    row.files += 1
    row.snippets += len(entry["snippets"])
    if isinstance(outcome, Parsed):
        row.parsed += 1
        if expected.startswith("no text") or "encrypted" in expected or "failure" in expected:
            row.wrong += 1
            row.notes.append(f"{name}: parsed, but expected: {expected}")
        for snippet in entry["snippets"]:
            if _has(outcome, snippet, Path(name).suffix.lower()):
                row.found += 1
            else:
                row.notes.append(f"{name}: not found: {snippet['text']}")
        return
    if _as_expected(outcome, expected, entry["kind"], ocr=ocr):
        row.refused += 1
    else:
        row.wrong += 1
    row.notes.append(f"{name}: {type(outcome).__name__}: {outcome}")


def _as_expected(error: BaseException, expected: str, kind: str, *, ocr: bool) -> bool:
    if "encrypted" in expected:
        return isinstance(error, SourceRefused)
    if "failure" in expected:
        return isinstance(error, SourceBroken)
    if expected.startswith("no text") or (kind == "ocr" and not ocr):
        return isinstance(error, SourceEmpty)
    return "not supported" in expected and isinstance(error, SourceRefused)


def _has(parsed: Parsed, snippet: dict[str, Any], suffix: str) -> bool:
    place = snippet.get("page") or snippet.get("slide")
    if suffix not in PLACED:
        place = None
    text = " ".join(
        element.text for element in parsed.elements if place is None or element.page == place
    )
    return _bare(snippet["text"]) in _bare(text)


def _bare(text: str) -> str:
    return _SPACE.sub("", unicodedata.normalize("NFKC", text))


def _total(rows: Any) -> Row:
    total = Row("total")
    for row in rows:
        for name in ("files", "parsed", "refused", "wrong", "snippets", "found", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
    return total


def _print(rows: Sequence[Row], *, misses: bool) -> None:
    print(
        f"{'folder':<8} {'files':>6} {'parsed':>7} {'refused':>8} {'wrong':>6} {'snippets':>12} {'seconds':>9}"
    )
    for row in rows:
        found = f"{row.found} of {row.snippets}"
        counts = f"{row.files:>6} {row.parsed:>7} {row.refused:>8} {row.wrong:>6}"
        print(f"{row.name:<8} {counts} {found:>12} {row.seconds:>9.1f}")
    if misses:
        for note in (note for row in rows for note in row.notes):
            print(f"  {note}")


if __name__ == "__main__":
    sys.exit(main())
