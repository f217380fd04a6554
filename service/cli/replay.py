"""`clearance replay`: an answer as its asker got it, for operators."""

import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import settings as configuration
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result
from indexes.cli.terminal import printable
from indexes.errors import NotFound
from indexes.model import Principal
from indexes.principals import user_name

if TYPE_CHECKING:
    from service.answering.replay import Replay, ReplayedPassage


def replay_answer(
    answer: Annotated[str, typer.Argument(help="Its id, as the reply told it.")],
    reader: Annotated[
        str | None,
        typer.Option(metavar="USER", help="Who reads what it was made of; default: its asker."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What somebody was shown, and whether they could still read it today.

    Text is shown as far as the reader may read it now; who looked is recorded.
    """
    from service.answering.replay import add_prompt, find_asked, replay
    from service.templates.store import CatalogTemplates

    settings = configuration.load()
    with open_catalog(settings) as catalog, closing(catalog.open_trail()) as trail:
        books = catalog.books(trail)
        records = books.about(answer)
        if not records:
            raise NotFound(f"No answer {answer[:80]!a} is recorded.")
        asked = find_asked(records)
        asker = Principal(name=asked["who"], id=asked["who_id"])
        whose = Principal(name=user_name(reader)) if reader else asker
        books.note_replay(answer, whose.name, by=command_line_actor())
        with catalog.reading() as state:
            shown = replay(records, state, whose, asker, removed_too=True)
        templates = CatalogTemplates(catalog)
        shown = add_prompt(shown, records, templates, whose, settings.llm_style, catalog.secret)
    print_result(asdict(shown), _lines(shown), as_json)


def _lines(shown: "Replay") -> list[str]:
    lines = [
        f"{shown.who} asked at {shown.at}: {shown.question or '(the question was not kept)'}",
        f"view {shown.view_id}, template {shown.template or '-'}, model {shown.model or '-'},"
        f" {shown.outcome or 'never finished'}, cited {list(shown.citations)}",
    ]
    for passage in shown.passages:
        lines += _passage_lines(passage)
    if shown.near:
        lines.append("Nothing answered; shown as the nearest:")
    for passage in shown.near:
        lines += _passage_lines(passage)
    if shown.documents:
        lines.append(f"It named the titles of: {', '.join(shown.documents)}")
    if shown.prompt is not None:
        lines.append("The prompt, to the letter:")
        turns = [[each.role, each.content] for each in shown.prompt.messages or ()]
        lines.append(shown.prompt.text or json.dumps(turns, ensure_ascii=False, indent=1))
    return [printable(line) for line in lines]


def _passage_lines(shown: "ReplayedPassage") -> list[str]:
    now = "may read it now" if shown.asker_may_read else "may not read it now"
    place = shown.passage.path if shown.passage else shown.document_id
    text = shown.passage.shown if shown.passage else "(not readable now, or nothing is kept of it)"
    return [f"[{shown.n}] {place} (the asker {now})", *(f"    {t}" for t in text.splitlines())]
