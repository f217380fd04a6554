"""What an operator's check reads of a catalog: counts, times and versions.

Opened to read alone: nothing is made, brought to another schema or changed, but that SQLite may lay an
empty log beside a file. Nothing here tells a text, a title, a path, a key or the name of a person.
"""

import statistics
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, text

from indexes.catalog.audit.chain import CHANGES, NOTHING, Head
from indexes.catalog.database import translating_errors
from indexes.catalog.engines import make_looking_engine
from indexes.catalog.generations import active_generation
from indexes.catalog.migrate import find_revision, newest_revision
from indexes.catalog.schema import (
    api_keys,
    audit_records,
    audit_seals,
    chunks,
    documents,
    ingest_failures,
    jobs,
    memberships,
    principals,
    reader_set_entries,
)
from indexes.model import PUBLIC, IndexGeneration

_TRIES = 5  # whose median is the latency


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """Of a key that was not taken back. The key itself is not told."""

    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobTimes:
    """Of a piece of long work."""

    state: str
    updated_at: datetime
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class ChangesHead:
    """The end of the chain of what was changed."""

    number: int  # 0 if there is none
    follows: bool  # whether its hash is that of its text and of the record before
    sealed: int  # number of the newest seal; 0 if there is none
    unsealed_since: datetime | None  # when the first record after that was written


@contextmanager
def open_inspection(url: str) -> Iterator["Inspection"]:
    """One state of the catalog at this URL. Raises BadConfiguration, CatalogUnavailable, Busy."""
    engine = make_looking_engine(url)
    try:
        with translating_errors(), engine.connect() as connection, connection.begin():
            yield Inspection(connection)
    finally:
        engine.dispose()


class Inspection:
    """Looks at one state of a catalog. Every method reads, and nothing more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def schema(self) -> tuple[str | None, str]:
        """The revision that the catalog is at (None: nothing was ever made in it), and the present one."""
        return find_revision(self._connection), newest_revision()

    def latency_s(self) -> float:
        """Of one small question to the database."""
        times = []
        for _ in range(_TRIES):
            begun = time.perf_counter()
            self._connection.execute(select(1))
            times.append(time.perf_counter() - begun)
        return statistics.median(times)

    def clock(self) -> datetime | None:
        """What the database's clock says; None if it is this machine's."""
        if self._connection.dialect.name == "sqlite":
            return None
        told: datetime = self._connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return told.astimezone(UTC)

    def newest_moment(self) -> datetime | None:
        """The latest time at which something happened, as it was written."""
        times = (
            documents.c.stored_at,
            api_keys.c.created_at,
            jobs.c.updated_at,
            audit_records.c.at,
        )
        found = [self._connection.scalar(select(func.max(column))) for column in times]
        return max((each for each in found if each is not None), default=None)

    def passages(self) -> int:
        return int(self._connection.scalar(select(func.count()).select_from(chunks)) or 0)

    def generation(self) -> IndexGeneration | None:
        return active_generation(self._connection)

    def keys(self) -> list[KeyTimes]:
        """Of keys that were not taken back."""
        key = api_keys.c
        wanted = select(key.created_at, key.expires_at, key.used_at).where(key.revoked_at.is_(None))
        return [KeyTimes(*row) for row in self._connection.execute(wanted)]

    def names_that_mean_nobody(self) -> int:
        """How many names stand in rules and are not declared."""
        in_rules = select(reader_set_entries.c.principal_id)
        named = select(func.count()).where(
            principals.c.state == "named",
            principals.c.name != PUBLIC,
            principals.c.id.in_(in_rules),
        )
        return int(self._connection.scalar(named) or 0)

    def documents_nobody_reads(self) -> int:
        """How many documents have a rule that leaves nobody.

        A group of an identity provider may have anybody in it. Disabled people read nothing.
        """
        counts = select(documents.c.reader_set_id, func.count()).group_by(documents.c.reader_set_id)
        people = _People(self._connection)
        allowed, denied = self._entries("allow"), self._entries("deny")
        return sum(
            count
            for reader_set, count in self._connection.execute(counts)
            if not people.any_left(allowed.get(reader_set, ()), denied.get(reader_set, ()))
        )

    def jobs(self) -> list[JobTimes]:
        """Those that wait, are being done, or have failed."""
        job = jobs.c
        wanted = select(job.state, job.updated_at, job.lease_until)
        open_ones = wanted.where(job.state.in_(["queued", "running", "failed"]))
        return [JobTimes(*row) for row in self._connection.execute(open_ones)]

    def failures(self) -> dict[str, int]:
        """Files that did not become documents as they are now, by what became of them."""
        status = ingest_failures.c.status
        counted = select(status, func.count().label("files")).group_by(status)
        return {row.status: row.files for row in self._connection.execute(counted)}

    def changes_head(self) -> ChangesHead:
        record = audit_records.c
        of_chain = record.chain_id == CHANGES
        newest = select(record.number, record.body, record.hash).where(of_chain)
        last = self._connection.execute(newest.order_by(record.number.desc()).limit(2)).all()
        sealed = self._newest_seal()
        after = select(func.min(record.at)).where(of_chain, record.number > sealed)
        since = self._connection.scalar(after)
        if not last:
            return ChangesHead(sealed, True, sealed, since)
        head = last[0]
        before = last[1].hash if len(last) > 1 else self._hash_before(head.number)
        expected = Head(CHANGES, head.number - 1, before).next(head.body)
        return ChangesHead(head.number, expected.hash == head.hash, sealed, since)

    def _hash_before(self, number: int) -> bytes:
        """Of a record that was removed under a signature, or of none."""
        seal = audit_seals.c
        wanted = select(seal.hash).where(seal.chain_id == CHANGES, seal.number == number - 1)
        return self._connection.scalar(wanted.limit(1)) or NOTHING

    def _newest_seal(self) -> int:
        wanted = select(func.max(audit_seals.c.number)).where(audit_seals.c.chain_id == CHANGES)
        return int(self._connection.scalar(wanted) or 0)

    def _entries(self, effect: str) -> Mapping[int, list[int]]:
        """Principals of each reader set that this effect names."""
        entry = reader_set_entries.c
        wanted = select(entry.reader_set_id, entry.principal_id).where(entry.effect == effect)
        found: dict[int, list[int]] = {}
        for reader_set, principal in self._connection.execute(wanted):
            found.setdefault(reader_set, []).append(principal)
        return found


class _People:
    """Who is meant by a user or by a group, through other groups, too."""

    def __init__(self, connection: Connection) -> None:
        person = principals.c
        rows = connection.execute(select(person.id, person.name, person.known, person.external))
        self._public: set[int] = set()
        self._users: set[int] = set()
        self._anybody: set[int] = set()  # groups whose members are not known here
        self._known: set[int] = set()
        for id_, name, known, external in rows:
            self._public |= {id_} if name == PUBLIC else set()
            self._known |= {id_} if known else set()
            self._anybody |= {id_} if known and external else set()
            self._users |= {id_} if known and name.startswith("user:") else set()
        self._members: dict[int, list[int]] = {}
        for member, group in connection.execute(
            select(memberships.c.member_id, memberships.c.group_id)
        ):
            self._members.setdefault(group, []).append(member)

    def any_left(self, allowed: Iterable[int], denied: Iterable[int]) -> bool:
        """Whether a rule that allows and denies these leaves somebody."""
        without = self._with_members(denied)
        if without & self._public:
            return False
        if self._public & set(allowed):
            return True
        meant = self._with_members(self._known.intersection(allowed), self._known)
        return bool(meant & (self._users | self._anybody) - without)

    def _with_members(self, given: Iterable[int], among: Collection[int] | None = None) -> set[int]:
        """These, and all that are in them. among: others grant nothing. If None, all count."""
        found, waiting = set[int](), list(given)
        while waiting:
            each = waiting.pop()
            if each not in found and (among is None or each in among):
                found.add(each)
                waiting += self._members.get(each, ())
        return found
