"""How well tables in PDF files are found and read: the complete task of the ICDAR 2013 competition.

    python -m bench.tables [--data DIR] [--peers PYTHON] [--json FILE] [--per-document]

DIR has `tables/icdar2013-eu` (27 PDF files with labelled tables) and `tables/score.py`, which
compares adjacency relations between neighbouring cells. Each file is parsed as in ingestion, and
the tables of its elements are scored. The finder was developed on every second document, the odd
numbers; the other half says what it does with documents that nobody looked at. PYTHON is an
interpreter that has pdfplumber and camelot-py: they are measured beside it in the same run, each
with its CPU seconds.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PEERS = ("pdfplumber", "camelot stream", "camelot lattice", "camelot hybrid")
Found = dict[str, list[dict[str, Any]]]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.as_peer:
        print(json.dumps(_measure(_PEER_READERS[options.as_peer], options.data, options.as_peer)))
        return 0
    runs = [_measure(read_here, options.data, "clearance")]
    for name in PEERS if options.peers else ():
        runs.append(_run_peer(name, options))
    report = {
        "documents": 27,
        "split": "developed on the odd numbers; the even ones are held back",
        "systems": [_judge(run, options.data) for run in runs if run],
    }
    _print(report, per_document=options.per_document)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))
    )
    parser.add_argument("--peers", help="an interpreter with pdfplumber and camelot-py")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--per-document", action="store_true")
    parser.add_argument("--as-peer", choices=PEERS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _measure(read: Callable[[Path], list[dict[str, Any]]], data: Path, name: str) -> dict[str, Any]:
    """{"name", "found", "cpu_s"}; the first file is read once before, for what is loaded then."""
    files = sorted((data / "tables" / "icdar2013-eu").glob("*.pdf"))
    read(files[0])
    found: Found = {}
    started = time.process_time()
    for path in files:
        try:
            found[path.stem] = read(path)
        except Exception as error:  # a peer's failure on one file is its result there
            print(f"{name}: {path.name}: {error}", file=sys.stderr)
            found[path.stem] = []
    return {"name": name, "found": found, "cpu_s": time.process_time() - started}


def _run_peer(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    command = [options.peers, "-P", __file__, "--data", str(options.data), "--as-peer", name]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    if done.returncode:
        print(f"{name}: not measured: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def read_here(path: Path) -> list[dict[str, Any]]:
    """The tables of the parsed document, merged cells as spans."""
    from ingest.elements import ParseOptions
    from ingest.partition import parse

    document = parse(path, ParseOptions(ocr=False))
    return [
        {"page": element.page, "rows": list(_rows_with_spans(element.table))}
        for element in document.elements
        if element.table is not None
    ]


def _rows_with_spans(table: Any) -> Iterator[list[Any]]:
    """Rows as HTML has them: a merged cell once, with its span."""
    covered = {
        (row + down, column + across): (row, column, height, width)
        for row, column, height, width in table.spans
        for down in range(height)
        for across in range(width)
    }
    for number, row in enumerate(table.rows):
        cells: list[Any] = []
        for place, text in enumerate(row):
            span = covered.get((number, place))
            if span is None:
                cells.append(text)
            elif span[:2] == (number, place):
                cells.append({"text": text, "rowspan": span[2], "colspan": span[3]})
        yield cells


def _read_with_pdfplumber(path: Path) -> list[dict[str, Any]]:
    import pdfplumber  # type: ignore[import-not-found]

    with pdfplumber.open(path) as document:
        return [
            {"page": page.page_number, "rows": rows}
            for page in document.pages
            for rows in page.extract_tables()
        ]


def _read_with_camelot(flavour: str) -> Callable[[Path], list[dict[str, Any]]]:
    def read(path: Path) -> list[dict[str, Any]]:
        import camelot  # type: ignore[import-not-found]

        tables = camelot.read_pdf(str(path), pages="all", flavor=flavour, suppress_stdout=True)
        return [{"page": int(each.page), "rows": each.df.values.tolist()} for each in tables]

    return read


_PEER_READERS = {
    "pdfplumber": _read_with_pdfplumber,
    **{f"camelot {each}": _read_with_camelot(each) for each in ("stream", "lattice", "hybrid")},
}


def _judge(run: dict[str, Any], data: Path) -> dict[str, Any]:
    """Macro precision, recall and F1 over all documents and over either half."""
    place = data / "tables" / "score.py"
    spec = importlib.util.spec_from_file_location("score", place)
    assert spec is not None
    assert spec.loader is not None
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    report = score.score(str(data / "tables" / "icdar2013-eu"), run["found"])
    documents = report["per_document"]
    halves = {
        "all": list(documents),
        "developed_on": [name for name in documents if _number(name) % 2],
        "held_back": [name for name in documents if not _number(name) % 2],
    }
    return {
        "name": run["name"],
        "cpu_s": round(run["cpu_s"], 2),
        **{half: _macro([documents[name] for name in names]) for half, names in halves.items()},
        "pooled_f1": round(report["pooled"]["f1"], 4),
        "per_document": {name: round(each["f1"], 4) for name, each in documents.items()},
    }


def _number(name: str) -> int:
    return int(name[3:6])


def _macro(documents: Sequence[dict[str, Any]]) -> dict[str, float]:
    precision = sum(each["p"] for each in documents) / len(documents)
    recall = sum(each["r"] for each in documents) / len(documents)
    both = precision + recall
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / both if both else 0.0, 4),
    }


def _print(report: dict[str, Any], *, per_document: bool) -> None:
    print(f"{'':18}{'macro F1':>9}{'developed on':>14}{'held back':>11}{'pooled':>8}{'CPU s':>8}")
    for system in report["systems"]:
        figures = [system[half]["f1"] for half in ("all", "developed_on", "held_back")]
        print(
            f"{system['name']:18}{figures[0]:9.3f}{figures[1]:14.3f}{figures[2]:11.3f}"
            f"{system['pooled_f1']:8.3f}{system['cpu_s']:8.1f}"
        )
        if per_document:
            print("   ", ", ".join(f"{k} {v:.3f}" for k, v in system["per_document"].items()))


if __name__ == "__main__":
    sys.exit(main())
