"""Files that were moved inside their source: the document keeps its id, and its readers are those
of the new place.

A move is one path that is gone and one that is new, with the same content, in one run. It is
settled before anything is parsed or removed: a file that went to a place with fewer readers must
not be served to the old ones meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from indexes.catalog import Catalog
from indexes.catalog.documents import Moved
from indexes.errors import SourceError
from indexes.model import Actor, StoredDocument
from indexes.settings import Settings
from ingest.judged_files import content_hash, open_judged_file
from ingest.plan import GoneDocument, Plan, Task

Move = tuple[GoneDocument, Task]


def carry_out(plan: Plan, catalog: Catalog, settings: Settings, by: Actor) -> Plan:
    """Carries out the moves, each in one step.

    Returns the plan with the moved files as stored ones.
    """
    done = [
        (gone, task)
        for gone, task in find_moves(plan, settings)
        if catalog.documents.move(
            gone.uri,
            Moved(
                uri=task.source.uri,
                path=task.source.path,
                readers=task.readers,
                modified_at=task.source.modified_at,
            ),
            by=by,
        )
    ]
    for gone, _ in done:
        catalog.failures.clear(gone.uri, by=by)
    return _plan_after(plan, done)


def predict(plan: Plan, settings: Settings) -> Plan:
    """What `carry_out` would return, with nothing written."""
    return _plan_after(plan, list(find_moves(plan, settings)))


def find_moves(plan: Plan, settings: Settings) -> Iterator[Move]:
    """Each file that is gone goes to at most one new file of the same content.

    Between several it is the one with the same name, then the first in order: their text is the
    same, and readers are those of the new place in any case.
    """
    lost: dict[str, list[GoneDocument]] = defaultdict(list)
    for gone in plan.gone:
        lost[gone.content_hash].append(gone)
    if not lost:
        return
    new: dict[str, list[Task]] = defaultdict(list)
    for task in plan.tasks:
        if task.stored is None and (digest := _digest(task, settings)) in lost:
            new[digest].append(task)
    for digest, tasks in sorted(new.items()):
        yield from _pair(lost[digest], tasks)


def _pair(lost: list[GoneDocument], tasks: list[Task]) -> Iterator[Move]:
    pairs = sorted(
        (
            (gone, task)
            for gone in lost
            for task in tasks
            if _source_of(gone.uri) == _source_of(task.source.uri)
        ),
        key=lambda pair: (
            _file_name(pair[0].path) != _file_name(pair[1].source.path),
            pair[0].uri,
            pair[1].source.uri,
        ),
    )
    taken: set[str] = set()
    for gone, task in pairs:
        if not {gone.uri, task.source.uri} & taken:
            taken |= {gone.uri, task.source.uri}
            yield gone, task


def _plan_after(plan: Plan, done: list[Move]) -> Plan:
    came = {task.source.uri: gone for gone, task in done}
    went = {gone.uri for gone, _ in done}
    return replace(
        plan,
        gone=tuple(gone for gone in plan.gone if gone.uri not in went),
        tasks=tuple(_moved_task(task, came.get(task.source.uri)) for task in plan.tasks),
    )


def _moved_task(task: Task, gone: GoneDocument | None) -> Task:
    if gone is None:
        return task
    # a title that was made from the file's name is part of every passage: then the file is read
    # again
    titled = gone.title == PurePosixPath(gone.path).stem and _file_name(gone.path) != _file_name(
        task.source.path
    )
    stored = StoredDocument(
        uri=task.source.uri, content_hash="" if titled else gone.content_hash, readers=task.readers, title=gone.title,
        chunks=0, original=gone.original,
    )  # fmt: skip
    return replace(task, stored=stored, moved_from=gone.path)


def _digest(task: Task, settings: Settings) -> str | None:
    try:
        with open_judged_file(task.source) as file:
            return content_hash(file, task.source, settings)
    except SourceError:
        return None  # the run tells why when it comes to it


def _source_of(uri: str) -> str:
    return uri.partition("/")[0]


def _file_name(path: str) -> str:
    return PurePosixPath(path).name
