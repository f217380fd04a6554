"""The whole record: the book of what was changed and the book of what was asked, which may be one."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from indexes.catalog.audit.chain import CHANGES, Head, find_head
from indexes.catalog.audit.changes import record_change
from indexes.catalog.audit.pruning import prune_chains
from indexes.catalog.audit.seals import SealingKey, seal_head
from indexes.catalog.audit.trail import Trail
from indexes.catalog.audit.verify import ChainReport, verify_book
from indexes.catalog.database import Database
from indexes.catalog.feedback import prune_feedback
from indexes.catalog.revisions import prune_revisions
from indexes.catalog.schema import audit_records, audit_seals
from indexes.model import MAINTENANCE, Actor

READ_TOGETHER = 1_000  # records


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it stands in its chain."""

    book: str  # changes | questions
    chain: int
    number: int
    body: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"{self.book}/{self.chain}/{self.number}"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed."""

    records: int
    revisions: int
    opinions: int  # of people on answers that are not recorded any more


class Books:
    """What was recorded, for operators and for whoever asks after an answer of their own."""

    def __init__(self, catalog: Database, trail: Trail) -> None:
        self._catalog = catalog
        self._books = {"changes": catalog}
        if trail.database is not catalog:
            self._books["questions"] = trail.database

    def records(self, since: datetime | None = None) -> Iterator[Record]:
        """Every record from this time on, book by book and chain by chain, in order."""
        for book, database in self._books.items():
            yield from _read_records(book, database, since)

    def changes(self, since: datetime | None = None) -> Iterator[Record]:
        """Records of what was changed, from this time on, in order."""
        for record in _read_records("changes", self._catalog, since, chain=CHANGES):
            if record.body["kind"] == "change":
                yield record

    def about(self, answer_id: str) -> list[Mapping[str, Any]]:
        """What was recorded of an answer, in order; nothing if it is not known."""
        wanted = (
            select(audit_records.c.body)
            .where(audit_records.c.subject == answer_id)
            .order_by(audit_records.c.chain_id, audit_records.c.number)
        )
        found: list[Mapping[str, Any]] = []
        for database in self._books.values():
            with database.reading() as connection:
                found += [json.loads(body) for body in connection.scalars(wanted)]
        return found

    def note_replay(self, answer_id: str, reader: str, *, by: Actor) -> None:
        """Somebody looked at an answer of others, as far as this reader may read it."""
        with self._catalog.writing(by) as connection:
            record_change(connection, "answer.replayed", answer_id, after={"reader": reader})

    def verify(
        self,
        public_keys: Collection[bytes],
        known_heads: Mapping[tuple[str, int], Head] | None = None,
    ) -> list[ChainReport]:
        """Whether every chain is whole; see `verify_book`."""
        return [
            report
            for book, database in self._books.items()
            for report in verify_book(book, database, public_keys, known_heads or {})
        ]

    def prune(self, before: datetime, key: SealingKey, *, by: Actor) -> Pruned:
        """Removes records, kept revisions and opinions on answers from before this time, under a
        signature.
        """
        records = 0
        for book, database in self._books.items():
            if book != "changes":
                with database.writing(MAINTENANCE) as connection:
                    records += prune_chains(connection, before, key)
        with self._catalog.writing(by) as connection:
            records += prune_chains(connection, before, key)
            revisions = prune_revisions(connection, before)
            opinions = prune_feedback(connection, before)
            told = {
                "before": before.isoformat(),
                "records": records,
                "revisions": revisions,
                "opinions": opinions,
            }
            record_change(connection, "audit.pruned", "audit", after=told)
        return Pruned(records, revisions, opinions)

    def seal_changes(self, key: SealingKey) -> None:
        """Signs the newest change, unless that was done."""
        sealed = select(audit_seals.c.number).where(audit_seals.c.chain_id == CHANGES)
        with self._catalog.appending() as connection:
            head = find_head(connection, CHANGES)
            newest = connection.scalar(sealed.order_by(audit_seals.c.number.desc()).limit(1))
            if head.number > (newest or 0):
                seal_head(connection, head, key)


def heads_as_json(reports: Sequence[ChainReport]) -> list[dict[str, Any]]:
    """The ends of all chains, to be kept elsewhere."""
    return [
        {
            "book": each.book,
            "chain": each.chain,
            "number": each.head.number,
            "hash": each.head.hash.hex(),
        }
        for each in reports
    ]


def heads_of(told: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], Head]:
    """What `heads_as_json` told."""
    return {
        (each["book"], each["chain"]): Head(
            each["chain"], each["number"], bytes.fromhex(each["hash"])
        )
        for each in told
    }


def _read_records(
    book: str, database: Database, since: datetime | None, chain: int | None = None
) -> Iterator[Record]:
    """chain: of this one alone."""
    record = audit_records.c
    wanted = select(record.chain_id, record.number, record.body).order_by(
        record.chain_id, record.number
    )
    if since is not None:
        wanted = wanted.where(record.at >= since)
    if chain is not None:
        wanted = wanted.where(record.chain_id == chain)
    last = (0, 0)
    while True:
        after = (record.chain_id > last[0]) | (
            (record.chain_id == last[0]) & (record.number > last[1])
        )
        with database.reading() as connection:
            some = connection.execute(wanted.where(after).limit(READ_TOGETHER)).all()
        for of_chain, number, body in some:
            yield Record(book=book, chain=of_chain, number=number, body=json.loads(body))
        if len(some) < READ_TOGETHER:
            return
        last = some[-1].chain_id, some[-1].number
