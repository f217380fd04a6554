"""Quality inside permissions: the product's own path, from chunking through the catalog to the
search of a user.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.actor import BENCH
from bench.quality.measures import ndcg, recall
from bench.quality.ranking import MODES, Cutting, Ranking, cut
from bench.quality.sets import Asked, Permissions, RetrievalSet, hashed
from bench.quality.vectors import RememberingEmbedder
from indexes.catalog import Catalog
from indexes.catalog.filters import Filters
from indexes.model import Document, Mode, Principal, Readers
from indexes.search.searcher import Searcher
from indexes.settings import Settings

K = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """One task and mode.

    Loss: what ranking everything and dropping the forbidden afterwards has more.
    """

    task: str
    mode: Mode
    questions: int
    passages: int
    searches: int  # questions with nothing to find among them
    leaks: int  # hits of documents that the user may not read
    ndcg: float
    recall: float
    ndcg_loss: float
    recall_loss: float
    # questions whose ten documents are not those of the ranking of everything, in that order
    differing: int


class Permission:
    """Who may read what, asked of the set's own files: nothing of the product decides here."""

    def __init__(self, permissions: Permissions) -> None:
        self._readers, self._users = permissions.readers, permissions.users

    def may(self, user: str, document: str) -> bool:
        return bool(self._readers[document] & self._users[user])


def measure(
    data: RetrievalSet,
    permissions: Permissions,
    embedder: RememberingEmbedder,
    cutting: Cutting,
    most: int | None,
) -> Iterator[Permitted]:
    """One result per mode. most: questions with an answer, and a third as many without."""
    asked = _selected(data, permissions, most)
    everything = Ranking(data.documents.values(), embedder, cutting)
    permission = Permission(permissions)
    with _stored(data, permissions, embedder, cutting) as searcher:
        for mode in MODES:
            yield _measured(data, asked, permission, searcher, everything, mode)


def _measured(
    data: RetrievalSet,
    asked: Sequence[Asked],
    permission: Permission,
    searcher: Searcher,
    everything: Ranking,
    mode: Mode,
) -> Permitted:
    leaks = differing = 0
    inside: list[tuple[float, float]] = []
    dropped: list[tuple[float, float]] = []
    for one in asked:
        question = data.questions[one.question]
        found = _searched(searcher, question, one.user, mode, data)
        leaks += sum(not permission.may(one.user, name) for name in found)
        gains = dict.fromkeys(_visible(data, one, permission), 1)
        if not gains:
            continue
        kept = [
            name for name in everything.documents(question, mode) if permission.may(one.user, name)
        ][:K]
        inside.append((ndcg(found, gains), recall(found, gains)))
        dropped.append((ndcg(kept, gains), recall(kept, gains)))
        differing += found != kept
    ours, theirs = (
        [statistics.fmean(column) for column in zip(*rows, strict=True)]
        for rows in (inside, dropped)
    )
    return Permitted(
        task=data.task.name,
        mode=mode,
        questions=len(inside),
        passages=everything.passages,
        searches=len(asked),
        leaks=leaks,
        ndcg=round(ours[0], 4),
        recall=round(ours[1], 4),
        ndcg_loss=round(theirs[0] - ours[0], 4),
        recall_loss=round(theirs[1] - ours[1], 4),
        differing=differing,
    )


def _selected(data: RetrievalSet, permissions: Permissions, most: int | None) -> list[Asked]:
    rows = sorted(
        (one for one in permissions.asked if one.question in data.questions),
        key=lambda one: hashed(f"{one.question} {one.user}"),
    )
    answered = [one for one in rows if one.visible]
    others = [one for one in rows if not one.visible]
    return answered[:most] + others[: None if most is None else most // 3]


def _visible(data: RetrievalSet, one: Asked, permission: Permission) -> list[str]:
    """What the question's judgements call relevant and the user may read; checked against what the
    set says.
    """
    names = [name for name in data.relevant[one.question] if permission.may(one.user, name)]
    if data.task.qrels == "qrels.tsv" and set(names) != set(one.visible):
        raise ValueError(
            f"{one.question} for {one.user}: {names} are visible, the set says {one.visible}."
        )
    return names


def _searched(
    searcher: Searcher, question: str, user: str, mode: Mode, data: RetrievalSet
) -> list[str]:
    only = Filters(language=data.task.searched) if data.bystanders else None
    result = searcher.search(question, Principal(name=f"user:{user}"), K, mode=mode, filters=only)
    # places that other documents leave empty go to further passages: a document counts once
    return list(dict.fromkeys(hit.path for hit in result.hits))


@contextmanager
def _stored(
    data: RetrievalSet, permissions: Permissions, embedder: RememberingEmbedder, cutting: Cutting
) -> Iterator[Searcher]:
    """A searcher over a new catalog with the set's documents, users and groups."""
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), passages_per_document=1)
        catalog = Catalog.open(settings.catalog_url)
        try:
            searcher = Searcher(catalog, embedder, settings)
            _people(catalog, permissions.users)
            for source in (*data.documents.values(), *data.bystanders.values()):
                text, chunks = cut(source, embedder, cutting)
                document = Document(
                    uri=f"set:{source.id}",
                    path=source.id,
                    title=source.title or source.id,
                    media_type="text/plain",
                    text=text,
                    chunks=chunks,
                    content_hash="0" * 64,
                    readers=Readers(
                        allow=frozenset(map(_principal, permissions.readers[source.id]))
                    ),
                    language=source.language,
                )
                vectors = embedder.passages([one.embedded for one in chunks])
                catalog.documents.put(
                    document, {g.id: vectors for g in catalog.generations.writable()}, by=BENCH
                )
            yield searcher
        finally:
            catalog.close()


def _people(catalog: Catalog, users: Mapping[str, frozenset[str]]) -> None:
    named = {_principal(group) for groups in users.values() for group in groups}
    for name in sorted(named):
        if name.startswith("group:"):
            catalog.people.add_group(name.removeprefix("group:"), by=BENCH)
    for user, groups in users.items():
        catalog.people.add_user(user, by=BENCH)
        for name in sorted(map(_principal, groups)):
            if name.startswith("group:"):
                catalog.people.add_member(name.removeprefix("group:"), f"user:{user}", by=BENCH)


def _principal(group: str) -> str:
    """The principal that the set's group stands for: some groups are single users."""
    return group if group.startswith("user:") else f"group:{group}"
