"""A labelled set into the catalog: each row of its corpus becomes a document, with the readers that
the set names.

What happens to a row from here on is what happens to a file: the same plan, chunks, embedding and
storing.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexes import labelled
from indexes.catalog import Catalog
from indexes.errors import BadInput, NoReaders
from indexes.formats import FORMATS
from indexes.labelled import Text
from indexes.model import Actor, Readers
from ingest import pipeline, plan
from ingest.access import command_line_rule
from ingest.elements import Parsed
from ingest.flow import Flow
from ingest.naming import name_readers
from ingest.partition.text import clean, paragraphs
from ingest.pipeline import Reading, Settled, Writing
from ingest.plan import Plan, Task
from ingest.report import FileOutcome, Report
from ingest.sources import PIPELINE_VERSION, Scan, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """A set as it was read: checked, complete, not yet in the catalog."""

    name: str
    file: Path
    texts: tuple[Text, ...]
    readers: dict[str, frozenset[str]] | None  # by document; None: the set does not say
    allowed: Readers | None  # by the command, for sets that do not say
    people: dict[str, frozenset[str]]  # groups by user


def read(
    folder: Path, *, users: Path | None = None, allow: Sequence[str] = (), deny: Sequence[str] = ()
) -> LabelledSet:
    """The set in a folder. users: people to make known, default: its own users.jsonl.

    Raises BadInput.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder.", remedy="Name the folder of a labelled set.")
    file, access = labelled.needed(folder, "corpus"), labelled.part(folder, "acl")
    allowed, users = command_line_rule(allow, deny), users or labelled.part(folder, "users")
    if access is None and allowed is None:
        raise BadInput(
            f"Nothing says who may read {folder.name}: it has no acl.jsonl.", remedy="Pass --allow."
        )
    if access is not None and allowed is not None:
        raise BadInput(
            f"{folder.name} says itself who may read it, in {access.name}.",
            remedy="Leave --allow out.",
        )
    texts = tuple(labelled.rows(file, Text, key=lambda row: row.id))
    if not texts:
        raise BadInput(f"{file} holds no documents.")
    return LabelledSet(
        name=folder.resolve().name,
        file=file,
        texts=texts,
        readers=labelled.access(access) if access else None,
        allowed=allowed,
        people=labelled.people(users) if users else {},
    )


def perform(given: LabelledSet, tools: Writing, report: Report) -> None:
    """People first, then what takes text away from someone, then documents, one transaction each.

    A killed run has stored whole documents; the next one goes on with the rest.
    """
    make_known(given.people, tools.catalog, by=tools.by)
    stored = tools.catalog.documents.stored(_uri(given, ""))
    found = Scan(roots=(), sources=tuple(_sources(given)))
    found, report.unknown = name_readers(
        found, tools.catalog, refuse=tools.settings.unknown_principals == "refuse"
    )
    planned = plan.make(found, stored, prune=False)
    report.watcher.expect(planned.files)
    planned = pipeline.withdraw(planned, tools, report)
    with Flow() as flow:
        pipeline.write(_rows(planned, given, tools), tools, flow, report)


def make_known(people: dict[str, frozenset[str]], catalog: Catalog, *, by: Actor) -> None:
    """Users, groups and memberships that are missing; nobody is taken out of a group."""
    known, groups = set(catalog.people.users()), dict(catalog.people.groups())
    for group in sorted(frozenset().union(*people.values()) - set(groups)):
        catalog.people.add_group(group, by=by)
    for user, names in people.items():
        if user not in known:
            catalog.people.add_user(user, by=by)
        for group in sorted(names):
            if user not in groups.get(group, ()):
                catalog.people.add_member(group, user, by=by)


def _sources(given: LabelledSet) -> Iterator[Source]:
    written_at = given.file.stat().st_mtime_ns
    for row in given.texts:
        readers, problem = given.allowed, None
        if given.readers is not None:
            named = given.readers.get(row.id)
            readers = Readers(allow=named) if named is not None else None
            problem = (
                None
                if readers
                else NoReaders("acl.jsonl does not name it.", remedy="Add a line for it.")
            )
        yield Source(
            file=given.file,
            uri=_uri(given, row.id),
            path=row.id,
            modified_ns=written_at,
            readers=readers,
            problem=problem,
            title=row.title or row.id,
        )


def _uri(given: LabelledSet, row_id: str) -> str:
    return f"set:{given.name}/{row_id}"


def _rows(
    planned: Plan, given: LabelledSet, tools: Writing
) -> Iterator[Settled | Reading | FileOutcome]:
    """The rows that the catalog does not hold as they are, in the form that parsing gives."""
    texts = {_uri(given, row.id): row for row in given.texts}
    for task in planned.tasks:
        yield _row(task, texts[task.source.uri], tools.settings.chunk_tokens)


def _row(task: Task, row: Text, chunk_tokens: int) -> Settled | Reading:
    shape = [PIPELINE_VERSION, chunk_tokens, row.title, row.text, row.lang]
    digest = hashlib.sha256(json.dumps(shape).encode()).hexdigest()
    verdict = task.verdict(digest)
    if verdict not in ("new", "changed"):
        return Settled(task=task, verdict=verdict)
    parsed = Parsed(
        title=row.title,
        elements=tuple(paragraphs(clean(row.text))),
        media_type=FORMATS["txt"].media_type,
        language=row.lang,
        page_kind=None,
    )
    return Reading(task=task, verdict=verdict, content_hash=digest, parsed=parsed)
