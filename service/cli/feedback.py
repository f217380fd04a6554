"""`clearance feedback`: what people say of their answers, and questions to measure with made of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from indexes import durable
from indexes.catalog import Catalog
from indexes.catalog.feedback import GivenOpinion
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result
from indexes.cli.terminal import printable
from indexes.errors import BadInput, NotFound

app = typer.Typer(help="What people say of their answers.", no_args_is_help=True)

Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was said from this day on.")
]


@app.command("list")
def list_feedback(since: Since = None, as_json: Json = False) -> None:
    """Every opinion, oldest first. That it was read is recorded."""
    with open_catalog() as catalog:
        found = catalog.feedback.read(_from(since), by=command_line_actor())
    print_result([asdict(each) for each in found], [_line(each) for each in found], as_json)


@app.command("export")
def export_feedback(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl file, made anew.")],
    since: Since = None,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where answers go that were not good, for somebody to look at."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Questions whose answers were good, as a set for `clearance eval` and `clearance abstention
    calibrate`. That they were read is recorded.

    The documents that a good answer cited are those that answer the question; a good answer that
    said nothing was found makes a question without an answer. A question is there if it was sent
    along with the opinion, or if all questions are recorded.
    """
    from service.evaluation.feedback import make_lines

    with open_catalog() as catalog, closing(catalog.open_trail()) as trail:
        given = catalog.feedback.read(_from(since), by=command_line_actor())
        books = catalog.books(trail)
        made = make_lines(given, books.about, _paths(catalog))
    _write(file, made.cases)
    if review is not None:
        _write(review, made.to_review)
    told = {
        "questions": len(made.cases),
        "to_review": len(made.to_review),
        "left_out": dict(made.left_out),
    }
    lines = [f"{len(made.cases)} questions in {file}."]
    if review is not None:
        lines.append(f"{len(made.to_review)} to look at in {review}.")
    lines += [f"{count} left out: {why}." for why, count in made.left_out.items()]
    print_result(told, lines, as_json)


def _paths(catalog: Catalog) -> Callable[[str], str | None]:
    """Where a document is now, by its id; None if it is gone."""

    def path_of(document_id: str) -> str | None:
        try:
            return catalog.listing.get(document_id).path
        except NotFound:
            return None

    return path_of


def _from(since: datetime | None) -> datetime | None:
    return None if since is None else since.astimezone()


def _write(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Raises BadInput."""
    content = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    try:
        durable.write(file, content.encode())
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.") from error


def _line(given: GivenOpinion) -> str:
    words = {"question": given.question, "reason": given.reason, "expected": given.expected}
    said = [f"{name}: {text}" for name, text in words.items() if text]
    at = f"{given.given_at:%Y-%m-%d %H:%M}"
    return printable("  ".join([at, given.verdict, given.answer_id, given.who, *said]))
