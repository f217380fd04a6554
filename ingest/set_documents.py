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
from indexes.labelled import LabelledText
from indexes.model import Actor, Readers
from ingest import pipeline, plan
from ingest.access import command_line_rule
from ingest.elements import Parsed
from ingest.judged_files import PIPELINE_VERSION, SourceFile
from ingest.partition.encodings import clean
from ingest.partition.text import parse_paragraphs
from ingest.plan import Plan, Task
from ingest.report import FileOutcome, IngestReport
from ingest.rule_names import resolve_names
from ingest.sources import Scan
from ingest.stages import Stages
from ingest.steps.values import ChangedFile, UnchangedFile, WriteTools
from ingest.steps.withdraw import withdraw


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """A set as it was read: checked, complete, not yet in the catalog."""

    name: str
    file: Path
    texts: tuple[LabelledText, ...]
    readers: dict[str, frozenset[str]] | None  # by document; None if the set does not say
    allowed: Readers | None  # by the command, for sets that do not say
    people: dict[str, frozenset[str]]  # groups by user


def read_set(
    folder: Path, *, users: Path | None = None, allow: Sequence[str] = (), deny: Sequence[str] = ()
) -> LabelledSet:
    """The set in a folder. users: people to make known, default: its own users.jsonl.

    Raises BadInput.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder.", remedy="Name the folder of a labelled set.")
    file, access = labelled.require_file(folder, "corpus"), labelled.find_file(folder, "acl")
    allowed, users = command_line_rule(allow, deny), users or labelled.find_file(folder, "users")
    if access is None and allowed is None:
        raise BadInput(
            f"Nothing says who may read {folder.name}: it has no acl.jsonl.", remedy="Pass --allow."
        )
    if access is not None and allowed is not None:
        raise BadInput(
            f"{folder.name} says itself who may read it, in {access.name}.",
            remedy="Leave --allow out.",
        )
    texts = tuple(labelled.read_rows(file, LabelledText, key=lambda row: row.id))
    if not texts:
        raise BadInput(f"{file} holds no documents.")
    return LabelledSet(
        name=folder.resolve().name,
        file=file,
        texts=texts,
        readers=labelled.read_access(access) if access else None,
        allowed=allowed,
        people=labelled.read_people(users) if users else {},
    )


def ingest_set(given: LabelledSet, tools: WriteTools, report: IngestReport) -> None:
    """People first, then what takes text away from someone, then documents, one transaction each.

    A killed run has stored whole documents; the next one goes on with the rest.
    """
    add_people(given.people, tools.catalog, by=tools.by)
    stored = tools.catalog.documents.stored(_uri(given, ""))
    found = Scan(roots=(), sources=tuple(_make_sources(given)))
    found, report.unknown = resolve_names(
        found, tools.catalog, refuse=tools.settings.unknown_principals == "refuse"
    )
    planned = plan.make_plan(found, stored, prune=False)
    report.watcher.expect_files(planned.files)
    planned = withdraw(planned, tools, report)
    with Stages() as stages:
        pipeline.write(_read_rows(planned, given, tools), tools, stages, report)


def add_people(people: dict[str, frozenset[str]], catalog: Catalog, *, by: Actor) -> None:
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


def _make_sources(given: LabelledSet) -> Iterator[SourceFile]:
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
        yield SourceFile(
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


def _read_rows(
    planned: Plan, given: LabelledSet, tools: WriteTools
) -> Iterator[UnchangedFile | ChangedFile | FileOutcome]:
    """The rows that the catalog does not hold as they are, in the form that parsing gives."""
    texts = {_uri(given, row.id): row for row in given.texts}
    for task in planned.tasks:
        yield _read_row(task, texts[task.source.uri], tools.settings.chunk_tokens)


def _read_row(task: Task, row: LabelledText, chunk_tokens: int) -> UnchangedFile | ChangedFile:
    shape = [PIPELINE_VERSION, chunk_tokens, row.title, row.text, row.lang]
    digest = hashlib.sha256(json.dumps(shape).encode()).hexdigest()
    verdict = task.verdict(digest)
    if verdict not in ("new", "changed"):
        return UnchangedFile(task=task, verdict=verdict)
    parsed = Parsed(
        title=row.title,
        elements=tuple(parse_paragraphs(clean(row.text))),
        media_type=FORMATS["txt"].media_type,
        language=row.lang,
        page_kind=None,
    )
    return ChangedFile(task=task, verdict=verdict, content_hash=digest, parsed=parsed)
