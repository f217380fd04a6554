"""The one truth: documents, vectors, who may read them, people, keys, jobs.

Everything else is derived from it. Every method that writes takes `by`: who acts. The transaction
that writes carries it.

It knows no index, no embedding model and no parser, and opens no source file.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import insert, select

from indexes.catalog.access import confirm, group_names
from indexes.catalog.audit.books import Books
from indexes.catalog.audit.trail import Trail
from indexes.catalog.checking import find_damage
from indexes.catalog.copying import Copied, copy_catalog, describe, shrink
from indexes.catalog.database import Database
from indexes.catalog.directory.door import Directory
from indexes.catalog.documents import Documents
from indexes.catalog.explaining import (
    DocumentReaders,
    Explanation,
    explain,
    find_readers,
    identity_names,
)
from indexes.catalog.feedback import Feedback
from indexes.catalog.generations import Generations
from indexes.catalog.history import begin_history, history_secrets
from indexes.catalog.job_access import JobAccess
from indexes.catalog.jobs import Jobs
from indexes.catalog.keys import Keys
from indexes.catalog.listing import Listing
from indexes.catalog.migrate import find_revision, migrate
from indexes.catalog.models import Models
from indexes.catalog.names import find_asker
from indexes.catalog.originals import Originals
from indexes.catalog.overrides import Overrides
from indexes.catalog.own_readers import StoredAccess
from indexes.catalog.people import People
from indexes.catalog.reading import ReadState
from indexes.catalog.schema import installation
from indexes.catalog.sessions import Sessions
from indexes.catalog.sources import Failures, Sources
from indexes.catalog.subjects import Subjects
from indexes.catalog.templates import Templates
from indexes.catalog.upload_work import UploadWork
from indexes.catalog.uploads import Uploads
from indexes.model import MAINTENANCE, Actor, Principal
from indexes.principals import user_name


class Catalog:
    """Made once per process; threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.documents = Documents(database)
        self.originals = Originals(database)
        self.sources = Sources(database)
        self.failures = Failures(database)
        self.listing = Listing(database)
        self.generations = Generations(database)
        self.people = People(database)
        self.keys = Keys(database)
        self.subjects = Subjects(database)
        self.directory = Directory(database, self.people, self.subjects)
        self.sessions = Sessions(database)
        self.jobs = Jobs(database)
        self.job_access = JobAccess(database)
        self.uploads = Uploads(database)
        self.upload_work = UploadWork(database)
        self.stored_access = StoredAccess(database)
        self.overrides = Overrides(database)
        self.templates = Templates(database)
        self.feedback = Feedback(database)
        self.models = Models(database)
        self.secret = self._secret()  # known to this installation alone
        with database.reading() as connection:
            # keys what no other history may take for its own, such as the ids of views
            self.history_secret, *former = history_secrets(connection, self.secret)
        self.former_history_secrets = tuple(former)

    @classmethod
    def open(cls, url: str) -> Self:
        """The catalog at this URL, at the present schema.

        Raises SchemaMismatch, UnsafeDatabase, BadConfiguration.
        """
        database = Database(url)
        migrate(database)
        return cls(database)

    @contextmanager
    def reading(self) -> Iterator[ReadState]:
        """One consistent state for everything inside the block."""
        with self._database.reading() as connection:
            yield ReadState(connection)

    def explain(self, user: str, document: str, token_groups: Collection[str] = ()) -> Explanation:
        """For operators: why a user may or may not read a document.

        Raises NotFound, BadPrincipal, BadInput.
        """
        with self._database.reading() as connection:
            return explain(connection, user, document, token_groups)

    def groups_of(self, principal: Principal) -> frozenset[str]:
        """Names of the groups that somebody is in now, those of its token included."""
        with self._database.reading() as connection:
            return group_names(connection, principal)

    def readers_of(self, document: str) -> DocumentReaders:
        """For operators: who may read a document now. Raises NotFound, BadInput."""
        with self._database.reading() as connection:
            return find_readers(connection, document)

    def identities_of(self, user: str) -> tuple[str, frozenset[str]]:
        """For operators: the full name of a user, and names of all that it is. Raises NotFound."""
        with self._database.reading() as connection:
            return user_name(user), identity_names(connection, user)

    @contextmanager
    def acting(self, principal: Principal, scope: str) -> Iterator[None]:
        """What is read or changed inside the block is done for this principal: each transaction
        confirms its key and this scope.

        Raises NotAuthenticated and NotPermitted from whatever begins a transaction there.
        """
        with self._database.checking(lambda connection: confirm(connection, principal, scope)):
            yield

    def note_key_use(self, key: str) -> None:
        """The key is used now; it is written later."""
        self.keys.note_use(key)

    def find_session(self, secret: str) -> Principal:
        """Whose session of the page it is. Raises NotAuthenticated."""
        return self.sessions.find(secret)

    def find_asker(self, given: str) -> Principal:
        """The user who may ask by this present name, or by an id as `#42`, without any scope.

        Raises NotPermitted, for whoever is not known or disabled.
        """
        with self._database.reading() as connection:
            return find_asker(connection, given)

    def reachable(self) -> None:
        """Raises an error if the catalog cannot be read. Looks at nothing that documents change."""
        with self._database.reading() as connection:
            connection.scalar(select(installation.c.name).limit(1))

    def open_trail(self) -> Trail:
        """Where this process records what people ask and are shown. Whoever opened it closes it."""
        return Trail.beside(self._database)

    def books(self, trail: Trail) -> Books:
        """All that was recorded, by every process."""
        return Books(self._database, trail)

    def copy_into(self, folder: Path) -> tuple[str, Copied]:
        """One state of it as a file, with its name and what it holds; see `copy_catalog`."""
        return copy_catalog(self._database, folder)

    def describe(self) -> Copied:
        """What a copy would hold now. For operators."""
        return describe(self._database)

    def shrink(self) -> None:
        """What was removed is in no byte of its file any more. Raises Busy."""
        shrink(self._database)

    def begin_history(self, told: Mapping[str, Any], *, by: Actor) -> None:
        """It was put back from a backup, of which this is told; see `history`."""
        begin_history(self._database, told, by=by)

    def schema(self) -> str:
        """The revision of its tables."""
        with self._database.reading() as connection:
            return find_revision(connection) or ""

    def damage(self, *, whole: bool) -> list[str]:
        """What does not hold in the database itself, in words for operators."""
        with self._database.reading() as connection:
            return list(find_damage(connection, whole=whole))

    def close(self) -> None:
        self._database.close()

    def _secret(self) -> bytes:
        wanted = select(installation.c.value).where(installation.c.name == "secret")
        with self._database.reading() as connection:
            found = connection.scalar(wanted)
        if found is None:
            with self._database.writing(MAINTENANCE) as connection:
                found = connection.scalar(wanted)
                if found is None:
                    found = secrets.token_bytes(32)
                    connection.execute(insert(installation).values(name="secret", value=found))
        return found
