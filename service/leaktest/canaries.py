"""Documents, people and a group of the leak test's own, made in the catalog on its host; and
everything removed again.

The one place here that writes to an installation. Everything it makes carries the prefix
`leaktest-`, so that what a killed run left behind can be found and removed.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from indexes.catalog import Catalog
from indexes.embedder import Embedder
from indexes.errors import ClearanceError, NotFound
from indexes.formats import FORMATS
from indexes.model import Actor, Chunk, Document, IndexGeneration, Readers, Scalar

PREFIX = "leaktest-"
URI = "leaktest:"
LETTERS = "bcdfghjklmnpqrstvwxz"

EmbedderOf = Callable[[IndexGeneration], Embedder]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who may ask."""

    name: str  # without `user:`
    key: str
    key_id: str


def random_word(letters: int = 12) -> str:
    """A word that stands in no document."""
    return "".join(secrets.choice(LETTERS) for _ in range(letters))


class Canaries:
    """Use it in a `with` block: at its end nothing is left of what was made."""

    def __init__(self, catalog: Catalog, embedder_of: EmbedderOf, *, by: Actor) -> None:
        self.catalog = catalog
        self.by = by
        self.mark = random_word(10)
        self.group = f"{PREFIX}{self.mark}-secret"  # reads what is hidden from the outsider
        self._embedder_of = embedder_of

    @contextmanager
    def place_group(self) -> Iterator["Canaries"]:
        try:
            self.catalog.people.add_group(self.group, by=self.by)
            yield self
        finally:
            self.remove_all()

    def add_person(self, role: str, *groups: str) -> Identity:
        name = f"{PREFIX}{self.mark}-{role}"
        self.catalog.people.add_user(name, by=self.by)
        for group in groups:
            self.catalog.people.add_member(group, f"user:{name}", by=self.by)
        issued = self.catalog.keys.issue(name, label="leak test", by=self.by)
        return Identity(name, issued.secret, issued.id)

    def put(
        self,
        name: str,
        text: str,
        *allow: str,
        collection: str = "default",
        metadata: Mapping[str, Scalar] | None = None,
        catalog: Catalog | None = None,
    ) -> str:
        """Write or replace a document of one passage.

        Returns its public id. catalog: another than the service's.
        """
        title = f"{self.mark} {name}"
        chunk = Chunk(ordinal=0, text=text, start=0, end=len(text), embedded=f"{title}\n{text}")
        document = Document(
            uri=self._uri(name),
            path=f"leaktest/{self.mark}/{name}.txt",
            title=title,
            media_type=FORMATS["txt"].media_type,
            text=text,
            chunks=(chunk,),
            content_hash=secrets.token_hex(32),
            readers=Readers(allow=frozenset(allow)),
            collection=collection,
            language="en",
            metadata=metadata or {},
        )
        into = catalog or self.catalog
        generations = into.generations.writable()
        vectors = {
            each.id: self._embedder_of(each).passages([chunk.embedded]) for each in generations
        }
        return into.documents.put(document, vectors, by=self.by)

    def relabel(self, name: str, *allow: str) -> None:
        readers = Readers(allow=frozenset(allow))
        self.catalog.documents.relabel(self._uri(name), readers, by=self.by)

    def remove(self, name: str) -> None:
        self.catalog.documents.delete(self._uri(name), by=self.by)

    def remove_all(self) -> None:
        remove_canaries(self.catalog, self.mark, by=self.by)

    def _uri(self, name: str) -> str:
        return f"{URI}{self.mark}/{name}"


def remove_canaries(catalog: Catalog, mark: str = "", *, by: Actor) -> int:
    """Remove what one leak test made, or all. Returns how many things there were.

    What fails is raised in the end.
    """
    failed: list[ClearanceError] = []
    steps = [*_document_removals(catalog, mark, by), *_people_removals(catalog, mark, by)]
    for step in steps:
        try:
            step()
        except NotFound:
            pass
        except ClearanceError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return len(steps)


def _document_removals(catalog: Catalog, mark: str, by: Actor) -> Sequence[Callable[[], object]]:
    uris = catalog.documents.stored(f"{URI}{mark}/" if mark else URI)
    return [partial(catalog.documents.delete, uri, by=by) for uri in uris]


def _people_removals(catalog: Catalog, mark: str, by: Actor) -> Sequence[Callable[[], object]]:
    prefix = PREFIX + mark
    people = catalog.people
    users = [name.removeprefix("user:") for name in people.users()]
    groups = [name.removeprefix("group:") for name in people.groups()]
    ours = [partial(people.remove_user, name, by=by) for name in users if name.startswith(prefix)]
    theirs = [
        partial(people.remove_group, name, by=by) for name in groups if name.startswith(prefix)
    ]
    return [*ours, *theirs]


@contextmanager
def open_unrelated_catalog(url: str, like: Catalog, *, by: Actor) -> Iterator[Catalog]:
    """An empty catalog elsewhere with the same generation, for writes that the service cannot
    notice.
    """
    made = Catalog.open(url)
    try:
        with suppress(ClearanceError):
            active = like.generations.active()
            if active is not None:
                made.generations.ensure(active.model, active.fingerprint, active.dimension, by=by)
        yield made
    finally:
        made.close()
